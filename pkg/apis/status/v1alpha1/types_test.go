// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func decode(t *testing.T, name string) (s HarbingerStatus) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(read(t, name)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

func TestDocumentsSurviveDecoding(t *testing.T) {
	for _, name := range []string{"holder", "backup", "degraded", "busy", "full", "normal", "split", "conflict", "no-api", "seven-backends", "expiring"} {
		s := decode(t, name)
		if s.APIVersion != GroupVersion || s.Kind != Kind {
			t.Errorf("%s is a %s of %s", name, s.Kind, s.APIVersion)
		}
		text, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if want := read(t, name); !bytes.Equal(append(text, '\n'), want) {
			t.Errorf("%s becomes\n%s", name, text)
		}
	}
}

// Each field has a value in one of the documents, so that they hold the name and the form of each.
func TestDocumentsHaveEachField(t *testing.T) {
	filled := map[string]bool{}
	for _, name := range []string{"holder", "backup", "degraded", "busy", "full"} {
		walk(reflect.ValueOf(decode(t, name)), "", filled)
	}
	for path, ok := range filled {
		if !ok && path != ".Ready" && !strings.HasSuffix(path, ".ObservedGeneration") {
			t.Errorf("no document has %s", path)
		}
	}
	if len(filled) < 60 {
		t.Errorf("found only %d fields", len(filled))
	}
}

// walk notes for each field of a value, at any depth, whether it has been filled in.
func walk(v reflect.Value, path string, filled map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), path, filled)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), path+"[]", filled)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			walk(v.MapIndex(key), path+"[]", filled)
		}
	case reflect.Struct:
		for field, value := range v.Fields() {
			if !field.IsExported() {
				continue
			}
			name := path + "." + field.Name
			filled[name] = filled[name] || !value.IsZero()
			walk(value, name, filled)
		}
	}
}

// A document of a later version has fields that this one does not know, one of an earlier version lacks some.
func TestOtherVersionsAreRead(t *testing.T) {
	var s HarbingerStatus
	const text = `{"node": "node1", "later": {"x": 1}, "balancer": {"backends": [{"address": "192.0.2.1:6443", "healthy": true}]}}`
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if b := s.Balancer.Backends; s.Node != "node1" || len(b) != 1 || !b[0].Healthy || b[0].State != "" || !b[0].Since.IsZero() {
		t.Errorf("read as %+v", s)
	}
}

// Before a node may refuse what is not signed, its status says who still sends that, and who was never heard.
func TestReadersSeeWhoDoesNotSign(t *testing.T) {
	s := decode(t, "holder").VirtualRouter.Signing
	unsigned, silent := map[string]uint64{}, []string{}
	for _, p := range s.Peers {
		if p.Unsigned > 0 {
			unsigned[p.Address] = p.Unsigned
		}
		if p.Signed == nil && p.Unsigned == 0 {
			silent = append(silent, p.Address)
		}
	}
	if len(unsigned) != 2 || unsigned["192.0.2.2"] != 4 || unsigned["other"] != 9 || len(silent) != 1 || silent[0] != "192.0.2.3" || s.EveryPeerSigned {
		t.Errorf("unsigned %v, silent %v of %+v", unsigned, silent, s)
	}
	if s := decode(t, "degraded").VirtualRouter.Signing; !s.EveryPeerSigned || s.Peers[0].Key != 1 {
		t.Errorf("read as %+v", s)
	}
	if s := decode(t, "backup").VirtualRouter.Signing; s != nil {
		t.Errorf("a node that does not sign has %+v", s)
	}
}

// What was not asked is left out, and what was asked without an answer is not.
func TestProofsAreLeftOutUntilTheyAreMade(t *testing.T) {
	encode := func(r VirtualRouter) string {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	bare := encode(VirtualRouter{})
	for _, field := range []string{"reach", "isolated", "unreachable", "witness", "forged"} {
		if strings.Contains(bare, field) {
			t.Errorf("%s is in %s", field, bare)
		}
	}
	asked := encode(VirtualRouter{Reach: &Reach{Peers: []PeerReach{{Address: "192.0.2.2"}}, Gateway: Gateway{Finding: "CouldNotAsk"}}, Witness: &Witness{Holder: "192.0.2.3"}})
	for _, part := range []string{`{"address":"192.0.2.2","reached":false}`, `"gateway":{"finding":"CouldNotAsk"}`, `"holder":"192.0.2.3","failures":0`} {
		if !strings.Contains(asked, part) {
			t.Errorf("%s is not in %s", part, asked)
		}
	}
}

// A reader who looks at findings alone sees what is wrong, with what to do; one who looks at conditions finds the same there.
func TestFindingsAreConditions(t *testing.T) {
	worst := map[string]string{
		"normal": "", "backup": "", "split": ConditionSplitSuspected, "conflict": ConditionConflict, "no-api": ConditionAPIReachable,
		"seven-backends": ConditionRedundant, "expiring": ConditionCredentialsCurrent, "degraded": ConditionDegraded,
	}
	for name, want := range worst {
		s := decode(t, name)
		got := ""
		if f := s.Worst(); f != nil {
			got = f.Condition
		}
		if got != want || s.Hosts[0].Finding != want || !s.Hosts[0].Self {
			t.Errorf("%s: worst is %q, host %+v, want %q", name, got, s.Hosts[0], want)
		}
		for _, f := range s.Findings {
			if c := meta.FindStatusCondition(s.Conditions, f.Condition); c == nil || !c.LastTransitionTime.Time.Equal(f.Since) {
				t.Errorf("%s: %+v of %+v", name, f, c)
			}
		}
	}
}
