// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// apiserver answers for ConfigMaps as a kube-apiserver does.
type apiserver struct {
	*httptest.Server

	connections atomic.Int32 // made so far

	mu      sync.Mutex
	objects map[string]corev1.ConfigMap
	events  []event
	version int
	oldest  int                           // version that a watch may begin after
	changed chan struct{}                 // closed and replaced when something happens
	cut     chan struct{}                 // closed and replaced to end the streams
	disturb func(*http.Request) disturbed // nil: nothing does
}

type event struct {
	version int
	Type    string           `json:"type"`
	Object  corev1.ConfigMap `json:"object"`
}

// disturbed is what goes wrong with a request.
type disturbed int

const (
	nothing disturbed = iota
	ignored           // it is not done, and not answered
	mute              // it is done, and not answered
	lost              // it is answered, but not done
)

func newAPIServer(t *testing.T) *apiserver {
	t.Helper()
	s := &apiserver{
		objects: make(map[string]corev1.ConfigMap), version: 100, changed: make(chan struct{}), cut: make(chan struct{}),
	}
	s.Server = httptest.NewUnstartedServer(s)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = stdlog.New(io.Discard, "", 0) // the tests are about clients that end without closing their connections
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// with changes the server while it answers nothing.
func (s *apiserver) with(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *apiserver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	wrong := nothing
	if s.disturb != nil {
		wrong = s.disturb(r)
	}
	s.mu.Unlock()
	if wrong == ignored {
		<-r.Context().Done()
		return
	}
	if r.URL.Query().Get("watch") == "true" {
		s.watch(w, r)
		return
	}
	answer, err := s.answer(r, wrong == lost)
	if wrong == mute {
		<-r.Context().Done()
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(int(err.ErrStatus.Code))
		answer = err.ErrStatus
	}
	_ = json.NewEncoder(w).Encode(answer) // the client may have gone
}

func (s *apiserver) answer(r *http.Request, forget bool) (any, *apierrors.StatusError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := path.Base(r.URL.Path)
	switch {
	case r.URL.Path == "/version":
		return map[string]string{"gitVersion": "v1.34.4"}, nil
	case r.Method == http.MethodPost, r.Method == http.MethodPut:
		var object corev1.ConfigMap
		if err := json.NewDecoder(r.Body).Decode(&object); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		return s.write(object, forget)
	case name == "configmaps":
		list := corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMapList"}}
		list.ResourceVersion = strconv.Itoa(s.version)
		for _, object := range s.objects {
			list.Items = append(list.Items, object)
		}
		return list, nil
	}
	object, ok := s.objects[name]
	if !ok {
		return nil, apierrors.NewNotFound(resource, name)
	}
	return object, nil
}

var resource = schema.GroupResource{Resource: "configmaps"}

func (s *apiserver) write(object corev1.ConfigMap, forget bool) (any, *apierrors.StatusError) {
	old, there := s.objects[object.Name]
	if object.ResourceVersion != old.ResourceVersion {
		return nil, apierrors.NewConflict(resource, object.Name, fmt.Errorf("there %t, it has version %s", there, old.ResourceVersion))
	}
	s.version++
	object.ResourceVersion = strconv.Itoa(s.version)
	if forget {
		return object, nil
	}
	s.objects[object.Name] = object
	s.events = append(s.events, event{s.version, "MODIFIED", object})
	close(s.changed)
	s.changed = make(chan struct{})
	return object, nil
}

// watch sends what happens until the client goes or the stream is cut.
func (s *apiserver) watch(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	s.mu.Lock()
	cut, oldest := s.cut, s.oldest
	s.mu.Unlock()
	events := json.NewEncoder(w)
	if after < oldest {
		status := apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d (%d)", after, oldest)).ErrStatus
		_ = events.Encode(map[string]any{"type": "ERROR", "object": status}) // the client may have gone
		return
	}
	for {
		s.mu.Lock()
		if s.cut != cut {
			s.mu.Unlock()
			return
		}
		changed := s.changed
		for _, e := range s.events {
			if e.version > after {
				_ = events.Encode(e) // the client may have gone
				after = e.version
			}
		}
		s.mu.Unlock()
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-cut:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// cutStreams ends all streams of events: nothing comes by them any more. If it forgets, no stream goes on from a version that
// was there until now.
func (s *apiserver) cutStreams(forget bool) {
	s.with(func() {
		if forget {
			s.oldest = s.version + 1
		}
		close(s.cut)
		s.cut = make(chan struct{})
	})
}

func configMap(name string) corev1.ConfigMap {
	return corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"value": "changed"}}
}
