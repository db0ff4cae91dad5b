// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"maps"
	"net/netip"
	"sync"
	"time"
)

const (
	// nameEvery is how often the log names a source that has too many connections.
	nameEvery = time.Minute
	// linesEvery is how many lines about failures of connections of one source the log has in nameEvery.
	linesEvery = 20
	// doubtEvery is how often a source may make a backend suspect: one that asks what no backend answers would do so all the time.
	doubtEvery = 30 * time.Second
)

// Sources count the connections of each address. Their methods may be called by any number of goroutines.
type sources struct {
	mu   sync.Mutex
	all  map[netip.Addr]source
	most int // sources, before those that were not heard of for a while are forgotten
}

// leastSources is how many sources are kept without a look at how long ago they were heard of.
const leastSources = 1024

func newSources() sources { return sources{all: map[netip.Addr]source{}, most: leastSources} }

// A source is what an address does.
type source struct {
	active  int           // connections
	refused int           // since it was named
	named   time.Duration // when the log did; 0: never
	logs    time.Duration // since when its lines are counted; 0: there are none
	lines   int           // since then, those left out included
	doubted time.Duration // when a backend was doubted because of it; 0: never
}

// enter counts a connection in, unless the source has limit already; 0 is no limit.
func (s *sources) enter(from netip.Addr, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.all[from]
	if limit > 0 && of.active >= limit {
		return false
	}
	of.active++
	s.all[from] = of
	return true
}

// silent reports whether a source has no connection, and was not heard of for a while.
func (of source) silent(now time.Duration) bool {
	long := func(at, every time.Duration) bool { return at == 0 || now-at >= every }
	return of.active == 0 && long(of.named, nameEvery) && long(of.logs, nameEvery) && long(of.doubted, doubtEvery)
}

// leave counts one out. A source that is silent is forgotten, now or when there are many.
func (s *sources) leave(from netip.Addr, now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.all[from]
	if of.active--; of.silent(now) {
		delete(s.all, from)
		return
	}
	s.all[from] = of
	if len(s.all) > s.most {
		maps.DeleteFunc(s.all, func(_ netip.Addr, of source) bool { return of.silent(now) })
		s.most = max(leastSources, 2*len(s.all))
	}
}

// refused counts a refusal, and returns how many there were since the source was named, where it is time to name it.
func (s *sources) refused(from netip.Addr, now time.Duration) (count int, name bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.all[from]
	of.refused++
	if name = of.named == 0 || now-of.named >= nameEvery; name {
		count, of.refused, of.named = of.refused, 0, now
	}
	s.all[from] = of
	return count, name
}

// mayDoubt reports whether a backend may be doubted because of a source, which counts as done.
func (s *sources) mayDoubt(from netip.Addr, now time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.all[from]
	if of.doubted > 0 && now-of.doubted < doubtEvery {
		return false
	}
	of.doubted = now
	s.all[from] = of
	return true
}

// mayLog reports whether the log may have a line about a source, and how many were left out before that one.
func (s *sources) mayLog(from netip.Addr, now time.Duration) (suppressed int, allowed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.all[from]
	if of.logs == 0 || now-of.logs >= nameEvery {
		suppressed = max(0, of.lines-linesEvery)
		of.logs, of.lines = now, 0
	}
	of.lines++
	s.all[from] = of
	return suppressed, of.lines <= linesEvery
}
