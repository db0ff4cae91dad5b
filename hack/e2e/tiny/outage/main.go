// Copyright The Harbinger Authors.
// SPDX-License-Identifier: Apache-2.0

// Command outage asks an API server through the virtual IP, over and over, as a client of the cluster would see it, and
// writes one line for every stretch of time without an answer.
//
// Each request has a connection of its own, so that a dead host is noticed at once and not by a keep-alive timer.
// Requests start at a fixed pace whether the one before was answered or not: a request that hangs hides nothing.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

func main() {
	url := flag.String("url", "", "what to ask for, e.g. https://172.30.0.100:6443/readyz")
	ca := flag.String("ca", "", "certificate of the authority that signed the server's")
	interval := flag.Duration("interval", 50*time.Millisecond, "time between the starts of two requests")
	timeout := flag.Duration("timeout", time.Second, "patience with one request")
	threshold := flag.Duration("threshold", 250*time.Millisecond, "shorter gaps between two answers are not called an outage")
	flag.Parse()
	if err := run(*url, *ca, *interval, *timeout, *threshold); err != nil {
		fmt.Fprintln(os.Stderr, "outage:", err)
		os.Exit(1)
	}
}

func run(url, ca string, interval, timeout, threshold time.Duration) error {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no certificate", ca)
	}
	client := &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true},
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	record := &record{threshold: threshold}
	var requests sync.WaitGroup
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		requests.Go(func() { record.add(ask(client, url)) })
		select {
		case <-ctx.Done():
			requests.Wait()
			record.summary()
			return nil
		case <-ticker.C:
		}
	}
}

func ask(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	return nil
}

// record keeps when the last answer came and what went wrong since.
type record struct {
	threshold time.Duration

	mu               sync.Mutex
	answered, failed int
	last             time.Time
	worst            time.Duration
	reason           error
}

func (r *record) add(err error) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.failed++
		r.reason = err
		return
	}
	r.answered++
	if r.answered == 1 {
		fmt.Printf("%s first-answer\n", stamp(now))
	} else if gap := now.Sub(r.last); gap > r.threshold {
		r.worst = max(r.worst, gap)
		fmt.Printf("%s outage ms=%d since=%s last-error=%q\n", stamp(now), gap.Milliseconds(), stamp(r.last), fmt.Sprint(r.reason))
	}
	if now.After(r.last) {
		r.last = now
	}
	r.reason = nil
}

func (r *record) summary() {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Printf("%s summary answered=%d failed=%d worst-ms=%d\n", stamp(time.Now()), r.answered, r.failed, r.worst.Milliseconds())
}

func stamp(t time.Time) string { return t.UTC().Format("15:04:05.000") }
