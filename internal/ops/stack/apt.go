package stack

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"chat-service/internal/ops/stack/aptsource"
	"chat-service/internal/ops/stack/dpkg"
)

// errNoApt: this machine has no apt.
var errNoApt = errors.New("no apt-get and dpkg-deb on this machine")

// apt downloads Debian packages from the machine's own sources, with a private state directory, and unpacks them under
// the cache. It needs no root and installs nothing. Why it is written by hand: docs/adr/0011-apt-provisioner.md.
type apt struct {
	cache  string
	out    *Progress
	etc    string // the machine's /etc/apt
	status string // the machine's list of installed packages

	mu      sync.Mutex
	updated map[string]bool
}

// bundle is a set of packages that is unpacked into one root.
type bundle struct {
	name     string
	packages []string
	sid      bool // from Debian's sid, complete with its own C library
}

func newApt(cache string, out *Progress) *apt {
	return &apt{cache: cache, out: out, etc: "/etc/apt", status: "/var/lib/dpkg/status", updated: map[string]bool{}}
}

// root returns the folder in which the bundle is unpacked, and downloads it first if necessary.
// Several runs may share one cache; the first one does the work, the others wait for its lock.
func (a *apt) root(ctx context.Context, b bundle) (string, error) {
	root := filepath.Join(a.cache, b.name)
	if unpacked(root) {
		return root, nil
	}
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", errNoApt
		}
	}
	if err := os.MkdirAll(a.cache, 0o755); err != nil {
		return "", fmt.Errorf("create package cache: %w", err)
	}
	lock, err := lockFile(filepath.Join(a.cache, b.name+".lock"), true)
	if err != nil {
		return "", fmt.Errorf("lock package cache: %w", err)
	}
	defer lock.Close()
	if unpacked(root) {
		return root, nil
	}
	conf, err := a.update(ctx, b.sid)
	if err != nil {
		return "", err
	}
	debs, err := a.download(ctx, conf, b)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(debs)
	return root, a.unpack(ctx, debs, root, b)
}

// spoil has the bundle unpacked anew: a tree of an earlier release may lack what the machine had then.
func (a *apt) spoil(b bundle) error {
	err := os.Remove(filepath.Join(a.cache, b.name, ".complete"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// unpacked reports whether root is complete and still where it was unpacked: scripts inside contain its path.
func unpacked(root string) bool {
	b, err := os.ReadFile(filepath.Join(root, ".complete"))
	return err == nil && string(b) == root
}

// update writes the private configuration, fetches the package lists once per run, and returns the configuration's
// path.
func (a *apt) update(ctx context.Context, sid bool) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := "apt"
	if sid {
		name = "apt-sid"
	}
	dir := filepath.Join(a.cache, name)
	conf := filepath.Join(dir, "apt.conf")
	if a.updated[name] {
		return conf, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("create apt state: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "update.lock"), true)
	if err != nil {
		return "", fmt.Errorf("lock apt state: %w", err)
	}
	defer lock.Close()
	if err := a.configure(dir, sid); err != nil {
		return "", err
	}
	a.out.Say(name, "reading package lists from this machine's own sources")
	if text, err := aptGet(ctx, conf, "update", "-q"); err != nil {
		return "", fmt.Errorf("apt-get update: %w\n%s", err, text)
	}
	a.updated[name] = true
	return conf, nil
}

func (a *apt) configure(dir string, sid bool) error {
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "parts"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return fmt.Errorf("create apt state: %w", err)
		}
	}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return fmt.Errorf("read os-release: %w", err)
	}
	list, err := aptsource.Machine(a.etc, aptsource.Codename(string(release)))
	if err != nil {
		return err
	}
	var status []byte
	if sid {
		list, err = aptsource.Sid(list)
	} else {
		status, err = os.ReadFile(a.status)
		status = []byte(dpkg.WithoutServers(string(status)))
	}
	if err != nil {
		return fmt.Errorf("prepare package sources: %w", err)
	}
	for path, text := range map[string][]byte{
		"sources.sources": []byte(aptsource.Text(list)),
		"state/status":    status,
		"apt.conf":        []byte(aptConf(dir, sid)),
	} {
		if err := writeFile(filepath.Join(dir, path), text, 0o644); err != nil {
			return fmt.Errorf("write apt state: %w", err)
		}
	}
	return nil
}

// aptConf is read after the machine's configuration: proxies are kept, hooks and extra indexes are cleared.
func aptConf(dir string, sid bool) string {
	var b strings.Builder
	for _, hook := range []string{
		"APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success",
		"DPkg::Pre-Install-Pkgs", "DPkg::Post-Invoke",
		"Acquire::IndexTargets::deb::DEP-11", "Acquire::IndexTargets::deb::DEP-11-icons-small",
		"Acquire::IndexTargets::deb::DEP-11-icons", "Acquire::IndexTargets::deb::DEP-11-icons-hidpi",
		"Acquire::IndexTargets::deb::DEP-11-icons-large", "Acquire::IndexTargets::deb::DEP-11-icons-large-hidpi",
		"Acquire::IndexTargets::deb::CNF", "Acquire::IndexTargets::deb::Contents-deb",
	} {
		fmt.Fprintf(&b, "#clear %s;\n", hook)
	}
	fmt.Fprintf(&b, "Dir::State %q;\nDir::State::status %q;\nDir::Cache %q;\n", dir+"/state", dir+"/state/status", dir+"/cache")
	fmt.Fprintf(&b, "Dir::Etc::sourcelist %q;\nDir::Etc::sourceparts %q;\n", dir+"/sources.sources", dir+"/parts")
	b.WriteString("APT::Sandbox::User \"\";\nAPT::Install-Recommends \"false\";\nAcquire::Languages \"none\";\nDebug::NoLocking \"true\";\nAcquire::Retries \"2\";\n")
	if sid {
		b.WriteString("Acquire::Check-Valid-Until \"false\";\n") // mirrors may lag; signatures are still checked
	}
	return b.String()
}

// download fetches the bundle's packages, those of the servers' own that they depend on, and what else
// this machine lacks, into a folder.
func (a *apt) download(ctx context.Context, conf string, b bundle) (string, error) {
	install := append([]string{"-y", "-q", "install"}, b.packages...)
	text, err := aptGet(ctx, conf, append([]string{"--print-uris"}, install...)...)
	if err != nil {
		return "", fmt.Errorf("packages %s are not available from this machine's apt sources: %w\n%s", strings.Join(b.packages, ", "), err, text)
	}
	count, bytes := planned(text)
	debs := filepath.Join(a.cache, b.name+".debs")
	if err := os.MkdirAll(filepath.Join(debs, "partial"), 0o755); err != nil {
		return "", fmt.Errorf("create archive folder: %w", err)
	}
	a.out.Say(b.name, "downloading %d packages, %.1f MB", count, float64(bytes)/1e6)
	watch, stop := context.WithCancel(ctx)
	var g sync.WaitGroup
	g.Go(func() { a.watchDownload(watch, b.name, debs, bytes) })
	text, err = aptGet(ctx, conf, append([]string{"--download-only", "-o", "Dir::Cache::archives=" + debs}, install...)...)
	stop()
	g.Wait()
	if err != nil {
		return "", fmt.Errorf("download %s: %w\n%s", b.name, err, text)
	}
	return debs, nil
}

func (a *apt) watchDownload(ctx context.Context, name, dir string, total int64) {
	tick := time.NewTicker(3 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.out.Say(name, "downloading, %.1f of %.1f MB", float64(folderSize(dir))/1e6, float64(total)/1e6)
		}
	}
}

func (a *apt) unpack(ctx context.Context, debs, root string, b bundle) error {
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return err
	}
	a.out.Say(b.name, "unpacking %d packages", len(files))
	fresh := root + ".tmp"
	for _, old := range []string{fresh, root} {
		if err := os.RemoveAll(old); err != nil {
			return fmt.Errorf("clear package cache: %w", err)
		}
	}
	if err := os.MkdirAll(fresh, 0o755); err != nil {
		return fmt.Errorf("create package root: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for _, f := range files {
		if !b.sid && cLibrary(filepath.Base(f)) {
			continue
		}
		g.Go(func() error {
			if text, err := exec.CommandContext(ctx, "dpkg-deb", "-x", f, fresh).CombinedOutput(); err != nil {
				return fmt.Errorf("unpack %s: %w\n%s", filepath.Base(f), err, text)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := rewriteErlang(fresh, root); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(fresh, ".complete"), []byte(root), 0o644); err != nil {
		return fmt.Errorf("mark package root: %w", err)
	}
	return os.Rename(fresh, root)
}

// cLibrary reports whether the package is one that must be the machine's own: a second C library under another loader crashes.
func cLibrary(deb string) bool {
	name, _, _ := strings.Cut(deb, "_")
	return name == "libc6" || name == "libc-bin" || name == "base-files" || strings.HasPrefix(name, "libgcc")
}

func aptGet(ctx context.Context, conf string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-c", conf}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	err := cmd.Run()
	return buf.String(), err
}

// planned adds up the lines of `apt-get --print-uris`: 'uri' file size hash.
func planned(text string) (count int, size int64) {
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 3 || !strings.HasPrefix(f[0], "'") {
			continue
		}
		n, err := strconv.ParseInt(f[2], 10, 64)
		if err == nil {
			count, size = count+1, size+n
		}
	}
	return count, size
}

func folderSize(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // apt moves files meanwhile
		}
		if info, err := e.Info(); err == nil && !e.IsDir() {
			size += info.Size()
		}
		return nil
	})
	return size
}
