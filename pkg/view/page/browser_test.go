// SPDX-License-Identifier: Apache-2.0

package page

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

var screenshots = flag.String("screenshots", "", "folder for pictures of the page in each state")

// chromium is the one browser of the tests, started by the first that needs it.
var chromium struct {
	once   sync.Once
	ctx    context.Context
	failed error
	end    func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	if chromium.end != nil {
		chromium.end()
	}
	os.Exit(code)
}

func startChromium() {
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && program == "" {
			program = found
		}
	}
	if program == "" {
		chromium.failed = fmt.Errorf("chromium is missing: apt-get install --no-install-recommends chromium")
		return
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.Flag("proxy-server", "direct://"))
	allocator, release := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	chromium.ctx, chromium.end = ctx, func() { closeBrowser(); release() }
	chromium.failed = chromedp.Do(ctx)
}

// tab is one of the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func open(t *testing.T) *tab {
	t.Helper()
	chromium.once.Do(startChromium)
	if chromium.failed != nil {
		t.Fatal(chromium.failed)
	}
	ctx, closeTab := chromedp.NewContext(chromium.ctx)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	return &tab{t: t, ctx: ctx}
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// size makes the window one of that size, of a telephone where it is narrow.
func (b *tab) size(width, height int64) {
	b.t.Helper()
	b.run(chromedp.EmulateViewport(width, height))
}

// scheme chooses dark or light.
func (b *tab) scheme(name string) {
	b.t.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
		b.t.Fatal(err)
	}
}

// value returns what an expression of JavaScript is.
func value[T any](b *tab, expression string) T {
	b.t.Helper()
	return result(b, chromedp.Evaluate[T](expression))
}

func result[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// until waits until an expression is true.
func (b *tab) until(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if value[bool](b, "!!("+expression+")") {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("not in time: %s; the page has %s", expression, value[string](b, "document.body.innerText"))
		}
	}
}

// server serves the page of a status that may change, as the sidecar does.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	status *v1alpha1.HarbingerStatus
	now    time.Time
	gone   bool
	asked  int
}

func serve(t *testing.T, s *v1alpha1.HarbingerStatus) *server {
	server := &server{status: s, now: now}
	server.Server = httptest.NewServer(server)
	t.Cleanup(server.Close)
	return server
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked++; s.gone {
		panic(http.ErrAbortHandler)
	}
	for name, value := range Headers() {
		w.Header().Set(name, value)
	}
	write := Write
	if r.URL.Query().Has("content") {
		write = WriteContent
	}
	_ = write(w, s.status, s.now)
}

func (s *server) change(f func(*server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// TestPictures writes the page in each state to the folder of -screenshots.
func TestPictures(t *testing.T) {
	if *screenshots == "" {
		return
	}
	if err := os.MkdirAll(*screenshots, 0o755); err != nil {
		t.Fatal(err)
	}
	b, all := open(t), situations(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := serve(t, all[name])
		for _, kind := range []struct {
			name          string
			width, height int64
			scheme        string
		}{{"1280x800", 1280, 800, "light"}, {"390x844", 390, 844, "light"}, {"dark", 1280, 800, "dark"}} {
			b.size(kind.width, kind.height)
			b.scheme(kind.scheme)
			b.run(chromedp.Navigate(s.URL))
			b.until("document.documentElement?.classList.contains('js')")
			for what, action := range map[string]chromedp.Action[[]byte]{"": chromedp.CaptureScreenshot(), "-whole": chromedp.FullScreenshot(100)} {
				file := filepath.Join(*screenshots, name+"-"+kind.name+what+".png")
				if err := os.WriteFile(file, result(b, action), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
