package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// made is a release of what this machine and one other run, made once for all
// tests. The page's files are those of the last build.
var made = sync.OnceValues(func() (release, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return release{}, err
	}
	testOut, err = os.MkdirTemp("", "keepalive-test-")
	r := release{
		root: root, out: testOut, version: "1.2.3", time: time.Unix(1_800_000_000, 0).UTC(),
		platforms: []platform{
			{"linux", runtime.GOARCH}, {"linux", map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]},
			{"windows", "amd64"},
		},
	}
	if err == nil {
		err = r.make(context.Background())
	}
	return r, err
})

// testOut is where made writes, once it is called.
var testOut string

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(testOut) // a temporary directory
	os.Exit(code)
}

func testRelease(t *testing.T) release {
	t.Helper()
	r, err := made()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// hashes are the SHA-256 of the files in a directory, by their names.
func hashes(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, file := range files {
		sum := sha256.Sum256(read(t, filepath.Join(dir, file.Name())))
		found[file.Name()] = hex.EncodeToString(sum[:])
	}
	return found
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Two releases of the same commit have the same hashes: users can build one
// and compare.
func TestReleaseIsReproducible(t *testing.T) {
	first := testRelease(t)
	second := first
	second.out = t.TempDir()
	t.Setenv("TZ", "Asia/Kathmandu")
	t.Setenv("SOURCE_DATE_EPOCH", "1")
	if err := second.make(t.Context()); err != nil {
		t.Fatal(err)
	}
	one, two := hashes(t, first.out), hashes(t, second.out)
	if len(one) != 14 {
		t.Errorf("%d files: %q, want 3 archives, 3 lists of parts, 2 deb, 2 rpm, image, page files, npm, sums",
			len(one), slices.Sorted(maps.Keys(one)))
	}
	for name, sum := range one {
		if two[name] != sum {
			t.Errorf("%s is another file the second time", name)
		}
	}
}

// SHA256SUMS is true, and complete except for itself.
func TestSums(t *testing.T) {
	r := testRelease(t)
	want := hashes(t, r.out)
	delete(want, "SHA256SUMS")
	got := make(map[string]string)
	for line := range strings.Lines(string(read(t, filepath.Join(r.out, "SHA256SUMS")))) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		got[name] = sum
	}
	if !maps.Equal(got, want) {
		t.Errorf("SHA256SUMS says %v, want %v", got, want)
	}
}

func TestVersions(t *testing.T) {
	for version, ok := range map[string]bool{
		"0.1.0": true, "0.2.0-rc.1": true,
		"": false, "1.0": false, "v1.0.0": false, "1.0.0+dirty": false, "../1.0.0": false,
	} {
		if err := (release{version: version}).check(); (err == nil) != ok {
			t.Errorf("version %q: error %v, want one: %t", version, err, !ok)
		}
	}
}

// untar lists a tar's files and their content.
func untar(t *testing.T, from io.Reader) (headers map[string]*tar.Header, bodies map[string][]byte) {
	t.Helper()
	headers, bodies = make(map[string]*tar.Header), make(map[string][]byte)
	archive := tar.NewReader(from)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return headers, bodies
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(header.Name, "./")
		headers[name] = header
		if bodies[name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

func untarGz(t *testing.T, content []byte) (headers map[string]*tar.Header, bodies map[string][]byte) {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return untar(t, plain)
}

// The image runs as a user of its own, has nothing that could be run beside the
// program, and says whether it is well.
func TestImage(t *testing.T) {
	r := testRelease(t)
	_, files := untar(t, bytes.NewReader(read(t, r.name("oci.tar"))))
	blob := func(digest string, into any) []byte {
		t.Helper()
		content, ok := files["blobs/"+strings.Replace(digest, ":", "/", 1)]
		if sum := sha256.Sum256(content); !ok || digest != "sha256:"+hex.EncodeToString(sum[:]) {
			t.Fatalf("no blob %s", digest)
		}
		if into != nil {
			if err := json.Unmarshal(content, into); err != nil {
				t.Fatal(err)
			}
		}
		return content
	}
	type descriptor struct {
		MediaType, Digest string
		Platform          struct{ OS, Architecture string }
	}
	type manifest struct {
		MediaType string
		Manifests []descriptor
		Config    descriptor
		Layers    []descriptor
	}
	var top, index manifest
	if err := json.Unmarshal(files["index.json"], &top); err != nil || len(top.Manifests) != 1 {
		t.Fatalf("index.json: %v, %s", err, files["index.json"])
	}
	blob(top.Manifests[0].Digest, &index)
	if len(index.Manifests) != 2 {
		t.Fatalf("images for %v, want one for each Linux", index.Manifests)
	}
	for _, of := range index.Manifests {
		var image manifest
		blob(of.Digest, &image)
		var config struct {
			OS, Architecture string
			Config           struct {
				User            string
				Entrypoint, Cmd []string
				Env             []string
				Healthcheck     struct{ Test []string }
			}
		}
		blob(image.Config.Digest, &config)
		if config.OS != of.Platform.OS || config.Architecture != of.Platform.Architecture {
			t.Errorf("the image for %v says that it is for %s/%s", of.Platform, config.OS, config.Architecture)
		}
		got := fmt.Sprint(config.Config)
		if want := "{65532:65532 [/usr/local/bin/capture-keepalive] [serve] [KEEPALIVE_LISTEN=0.0.0.0:8080]" +
			" {[CMD /usr/local/bin/capture-keepalive check --running]}}"; got != want {
			t.Errorf("%s: config %s, want %s", of.Platform.Architecture, got, want)
		}
		listed := make(map[string]string)
		for _, layer := range image.Layers {
			headers, bodies := untarGz(t, blob(layer.Digest, nil))
			for name, header := range headers {
				listed[name] = fmt.Sprintf("%o %d:%d", header.Mode, header.Uid, header.Gid)
			}
			if roots, ok := bodies["etc/ssl/certs/ca-certificates.crt"]; ok {
				if n := bytes.Count(roots, []byte("BEGIN CERTIFICATE")); n < 80 {
					t.Errorf("the image has %d authorities, want at least 80", n)
				}
			}
		}
		want := map[string]string{
			"etc/ssl/certs/ca-certificates.crt": "644 0:0",
			"var/lib/capture-keepalive/":        "700 65532:65532",
			"usr/local/bin/capture-keepalive":   "755 0:0",
		}
		if !maps.Equal(listed, want) {
			t.Errorf("%s: the image has %v, want %v", of.Platform.Architecture, listed, want)
		}
	}
}

// The deb has a unit that starts the program where the deb puts it, and keeps
// what only root may read from everybody else.
func TestDeb(t *testing.T) {
	r := testRelease(t)
	deb := filepath.Join(r.out, "capture-keepalive_1.2.3-1_"+runtime.GOARCH+".deb")
	tarball, err := exec.CommandContext(t.Context(), "dpkg-deb", "--fsys-tarfile", deb).Output()
	if err != nil {
		t.Fatalf("dpkg-deb: %v", err)
	}
	headers, bodies := untar(t, bytes.NewReader(tarball))
	for name, want := range map[string]string{
		"usr/bin/capture-keepalive":                        "755",
		"usr/lib/systemd/system/capture-keepalive.service": "644",
		"etc/capture-keepalive/":                           "700",
		"etc/capture-keepalive/environment":                "600",
		"usr/share/doc/capture-keepalive/copyright":        "644",
		"usr/share/doc/capture-keepalive/docs/page.md":     "644",
	} {
		header, ok := headers[name]
		if !ok {
			t.Errorf("no %s", name)
		} else if got := fmt.Sprintf("%o", header.Mode); got != want || header.Uid != 0 || header.Gid != 0 {
			t.Errorf("%s: mode %s, owner %d:%d, want %s and root", name, got, header.Uid, header.Gid, want)
		}
	}
	unit := string(bodies["usr/lib/systemd/system/capture-keepalive.service"])
	starts := strings.Contains(unit, "\nExecStart=/usr/bin/capture-keepalive serve\n")
	if !starts || strings.Contains(unit, "/usr/local") {
		t.Errorf("the unit does not start what the package brings:\n%s", unit)
	}
	control, err := exec.CommandContext(t.Context(), "dpkg-deb", "--info", deb).Output()
	if err != nil {
		t.Fatalf("dpkg-deb: %v", err)
	}
	for _, want := range []string{"Version: 1.2.3-1", "conffiles", "postinst", "prerm", "postrm"} {
		if !bytes.Contains(control, []byte(want)) {
			t.Errorf("dpkg-deb --info does not show %q:\n%s", want, control)
		}
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil && os.Geteuid() == 0 {
		checkService(t, deb)
	}
}

// The archive, unpacked in an empty folder, runs and has the page's files.
func TestArchiveRuns(t *testing.T) {
	r := testRelease(t)
	dir := t.TempDir()
	archive := r.name("linux_" + runtime.GOARCH + ".tar.gz")
	if said, err := exec.CommandContext(t.Context(), "tar", "-xf", archive, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	folder := filepath.Join(dir, "capture-keepalive_1.2.3_linux_"+runtime.GOARCH)
	program := filepath.Join(folder, "capture-keepalive")
	said, err := exec.CommandContext(t.Context(), program, "--version").Output()
	if err != nil || !bytes.Contains(said, []byte("1.2.3")) {
		t.Errorf("--version: %v, %s", err, said)
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, file.Name())
	}
	want := []string{"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md",
		"capture-keepalive", "capture-keepalive.service", "docs"}
	if !slices.Equal(names, want) {
		t.Errorf("the archive has %q, want %q", names, want)
	}
	readme := read(t, filepath.Join(folder, "README.md"))
	for _, link := range regexp.MustCompile(`\]\(([\w./-]+)`).FindAllSubmatch(readme, -1) {
		if _, err := os.Stat(filepath.Join(folder, string(link[1]))); err != nil {
			t.Errorf("the README of the archive links to what it lacks: %v", err)
		}
	}
	checkServing(t, program)
}

// Every module in the program is in its list of parts.
func TestBOM(t *testing.T) {
	r := testRelease(t)
	var bom struct {
		BOMFormat string
		Metadata  struct {
			Component struct{ Name, Version string }
		}
		Components []struct{ Name, Version, Purl string }
	}
	if err := json.Unmarshal(read(t, r.name("linux_arm64.cdx.json")), &bom); err != nil {
		t.Fatal(err)
	}
	if bom.BOMFormat != "CycloneDX" || bom.Metadata.Component.Version != "v1.2.3" {
		t.Errorf("the list is %s of %+v", bom.BOMFormat, bom.Metadata.Component)
	}
	var names []string
	for _, component := range bom.Components {
		names = append(names, component.Name)
	}
	for _, name := range []string{"std", "github.com/labstack/echo/v4", "go.etcd.io/bbolt"} {
		if !slices.Contains(names, name) {
			t.Errorf("the list lacks %s: %q", name, names)
		}
	}
	if slices.Contains(names, "github.com/chromedp/chromedp") {
		t.Error("the list has a module of the tests")
	}
}
