//go:build e2e

package e2e

import (
	"path/filepath"
	"testing"

	"chat-service/internal/test/testkit"
)

// thisBuild is this tree's programs.
func thisBuild(t testing.TB) testkit.Build {
	t.Helper()
	return testkit.Build{Bin: testkit.Binaries(t), Root: testkit.Root(t)}
}

// probeBuild is this tree's programs with the kinds of a release that doesn't exist: see the build tag probe in package envelope.
func probeBuild(t testing.TB) testkit.Build {
	t.Helper()
	b := testkit.Build{Bin: filepath.Join(testkit.Root(t), "bin", "probe"), Root: testkit.Root(t)}
	testkit.Compile(t, b.Root, b.Bin, "-tags", "probe")
	return b
}
