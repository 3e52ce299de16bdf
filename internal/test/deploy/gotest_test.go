package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"chat-service/internal/test/testkit"
)

// TestCrashesOfTheRaceDetectorAreRunAgain gives .ci/gotest a go command that ends as told, and looks at what is run again and at what passes.
func TestCrashesOfTheRaceDetectorAreRunAgain(t *testing.T) {
	const crash = "ThreadSanitizer: CHECK failed: tsan_rtl.cpp:346\nFAIL\tchat-service/internal/a\t7.8s\nok  \tchat-service/internal/b\t1.0s\nFAIL"
	const throw = "fatal error: unexpected signal during runtime execution\n\t/usr/local/go/src/x.go:1 +0x1 fp=0xc01 sp=0xc00 pc=0x1\nFAIL\tchat-service/internal/a\t7.8s\nFAIL"
	const failed = "--- FAIL: TestB (0.1s)\n    b_test.go:1: wrong\nFAIL\nFAIL\tchat-service/internal/b\t1.0s\nFAIL"
	const race = "WARNING: DATA RACE\nFAIL\tchat-service/internal/b\t1.0s\nFAIL"
	for name, c := range map[string]struct {
		first, second string
		again         bool
	}{
		"all pass":                           {first: "ok"},
		"a crash, then it passes":            {first: crash, second: "ok", again: true},
		"a crash of the runtime, then ok":    {first: throw, second: "ok", again: true},
		"a crash twice":                      {first: crash, second: crash, again: true},
		"a crash, then a failed test":        {first: crash, second: failed, again: true},
		"a failed test":                      {first: failed, second: "ok"},
		"a failed test beside a crash":       {first: failed + "\n" + crash, second: "ok"},
		"a race":                             {first: race, second: "ok"},
		"a race whose process crashed, too":  {first: strings.Replace(crash, "Thr", "WARNING: DATA RACE\nThr", 1), second: "ok"},
		"a package that can't be built":      {first: "# chat-service/internal/b\nb.go:1: undefined\nFAIL\tchat-service/internal/b [build failed]\nFAIL", second: "ok"},
		"a panic":                            {first: "panic: nil\nFAIL\tchat-service/internal/b\t1.0s\nFAIL", second: "ok"},
		"nothing that would say what failed": {first: "FAIL\tchat-service/internal/b\t1.0s\nFAIL", second: "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{"1": c.first, "2": c.second} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			fake := filepath.Join(dir, "go")
			script := `#!/bin/sh
echo "$*" >> "` + dir + `/asked"
n=$(wc -l < "` + dir + `/asked")
cat "` + dir + `/$n"
! grep -q '^FAIL' "` + dir + `/$n"
`
			if err := os.WriteFile(fake, []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), filepath.Join(testkit.Root(t), ".ci", "gotest"), fake, "test", "-race", "-tags", "integration e2e", "./...").CombinedOutput()
			asked, _ := os.ReadFile(filepath.Join(dir, "asked"))
			runs := strings.Split(strings.TrimSpace(string(asked)), "\n")
			last := c.first
			if c.again {
				last = c.second
			}
			if passes := last == "ok"; passes != (err == nil) || (len(runs) == 2) != c.again {
				t.Errorf("ended with %v after %d runs:\n%s", err, len(runs), out)
			}
			if c.again && runs[1] != "test -race -tags integration e2e chat-service/internal/a" {
				t.Errorf("run again: %s", runs[1])
			}
		})
	}
}
