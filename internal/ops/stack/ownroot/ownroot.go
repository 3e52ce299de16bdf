// Package ownroot runs programs in a folder as their root: those of another release of the system, which find each other by absolute paths.
package ownroot

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var errNotRoot = errors.New("only root can give a program a root of its own")

// Enter returns the command that runs path with root as its root, in a mount namespace of its own, so that nothing is left behind. It sees
// the folders, /tmp and root itself under their own names.
func Enter(root string, folders []string, path string) ([]string, error) {
	if os.Geteuid() != 0 {
		return nil, errNotRoot
	}
	tools := map[string]string{} // this machine's, whatever PATH the program gets
	for _, name := range []string{"unshare", "sh", "mount", "chroot"} {
		found, err := exec.LookPath(name)
		if err != nil {
			return nil, err
		}
		tools[name] = found
	}
	var b strings.Builder
	b.WriteString("set -e\n")
	for _, dir := range append(folders, root, "/proc", "/dev", "/sys", os.TempDir()) {
		to := filepath.Join(root, dir)
		if err := os.MkdirAll(to, 0o755); err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "'%s' --bind '%s' '%s'\n", tools["mount"], dir, to)
	}
	fmt.Fprintf(&b, "exec '%s' '%s' \"$@\"\n", tools["chroot"], root)
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} { // what base-files makes when it is configured
		if err := os.Symlink("usr/"+dir, filepath.Join(root, dir)); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(root, "etc", "hosts"), []byte("127.0.0.1 localhost\n"), 0o644); err != nil {
		return nil, err
	}
	return []string{tools["unshare"], "--mount", "--propagation", "private", tools["sh"], "-c", b.String(), "sh", path}, nil
}
