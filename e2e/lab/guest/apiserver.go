// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// Where a host has the files of its API server, as kubeadm lays them out.
const (
	CAFile          = "/etc/kubernetes/pki/ca.crt"
	certificateFile = "/etc/kubernetes/pki/apiserver.pem"
)

// NodeHeader is the header of an API server's answers that names its host.
const NodeHeader = "X-Lab-Node"

// Paths at which a stand-in answers anybody.
const (
	WatchPath    = "/watch"    // a stream without an event
	DownloadPath = "/download" // DownloadSize bytes, over some time
)

// What a download is: so many bytes at equal distances.
const (
	DownloadSize  = downloadParts * 16 << 10
	DownloadTime  = downloadParts * downloadPause
	downloadParts = 30
	downloadPause = 100 * time.Millisecond
)

// download answers with parts, one after another.
func download(w http.ResponseWriter) {
	w.Header().Set("Content-Length", fmt.Sprint(DownloadSize))
	part := make([]byte, DownloadSize/downloadParts)
	for range downloadParts {
		if _, err := w.Write(part); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		time.Sleep(downloadPause)
	}
}

// Readiness is what an API server answers to GET /readyz. The value is the signal that sets it.
type Readiness syscall.Signal

// The answers to GET /readyz: 200, 500, or none.
const (
	Ready    = Readiness(syscall.SIGHUP)
	NotReady = Readiness(syscall.SIGUSR1)
	Hung     = Readiness(syscall.SIGUSR2)
)

// An APIServer is a stand-in for the Kubernetes API server: it listens with TLS on the wildcard address as the real one
// does, reports whether it is ready, and forbids everything else.
type APIServer struct {
	*lab.Process
}

// StartAPIServer runs an API server in a host, with a certificate for the host's addresses and others. The program must know
// [APIServerRole].
func StartAPIServer(h *lab.Host, ca *Authority, port uint16, names ...netip.Addr) (*APIServer, error) {
	certificate, err := ca.issue(server("kube-apiserver", h, names...))
	if err != nil {
		return nil, err
	}
	if err := h.WriteFile(CAFile, ca.PEM()); err != nil {
		return nil, err
	}
	if err := h.WriteFile(certificateFile, certificate); err != nil {
		return nil, err
	}
	p, err := h.Start(APIServerRole.Command(fmt.Sprint(port)))
	if err != nil {
		return nil, err
	}
	return &APIServer{p}, awaitLine(p, listening)
}

// listening is what an API server prints once it listens and handles signals.
const listening = "listening"

// awaitLine waits until a process has written a line, or ended without it.
func awaitLine(p *lab.Process, line string) error {
	return lab.Until(30*time.Second, fmt.Sprintf("%q in the output", line), func() bool {
		return p.Wrote(line + "\n")
	})
}

// SetReadiness changes the answer to GET /readyz.
func (s *APIServer) SetReadiness(r Readiness) error { return s.Signal(syscall.Signal(r)) }

// APIServerRole is the process of an API server. Pass it to [lab.Main].
var APIServerRole = lab.Role{Name: "apiserver", Main: func(args []string) int {
	if err := serveAPI(args[0]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}}

func serveAPI(port string) error {
	a := new(api)
	a.node, _ = os.Hostname()
	a.ready.Store(int32(Ready))
	signals := make(chan os.Signal, 1) // one that is not handled yet
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	// Ends with the process.
	go func() {
		for sig := range signals {
			a.ready.Store(int32(sig.(syscall.Signal)))
		}
	}()
	server := &http.Server{
		Handler:  a,
		ErrorLog: log.New(io.Discard, "", 0), // clients of the lab ask in plain HTTP, often
	}
	ln, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	fmt.Println(listening)
	return server.ServeTLS(ln, certificateFile, certificateFile)
}

// api answers requests as an API server does that knows no user.
type api struct {
	node  string
	ready atomic.Int32 // a Readiness
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(NodeHeader, a.node)
	switch r.URL.Path {
	case "/readyz", "/healthz", "/livez":
		a.answerReady(w, r)
	case WatchPath:
		w.(http.Flusher).Flush()
		<-r.Context().Done() // nothing ever happens
	case DownloadPath:
		download(w)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,`+
			`"message":"forbidden: User \"system:anonymous\" cannot get path %q"}`+"\n", r.URL.Path)
	}
}

func (a *api) answerReady(w http.ResponseWriter, r *http.Request) {
	switch Readiness(a.ready.Load()) {
	case Ready:
		fmt.Fprint(w, "ok")
	case NotReady:
		http.Error(w, "[-]etcd failed: reason withheld", http.StatusInternalServerError)
	case Hung:
		<-r.Context().Done() // the client gave up
	}
}
