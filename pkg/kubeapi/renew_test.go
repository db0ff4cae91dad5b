// SPDX-License-Identifier: Apache-2.0

package kubeapi_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
)

const day = 24 * time.Hour

// issued returns a kubeconfig that is good for 30 days from now.
func issued(t *testing.T, now time.Time, ca, key []byte) (kubeapi.Issued, []byte) {
	t.Helper()
	document, _, err := kubeapi.NewKubeconfig(kubeapi.KubeconfigOptions{
		CACertificate: ca, CAKey: key, Server: "https://[fd00::130]:7443", ServerName: "kubernetes", ClusterName: "blue", Now: now, Validity: 30 * day,
	})
	if err != nil {
		t.Fatal(err)
	}
	read, err := kubeapi.ReadIssued(document)
	if err != nil {
		t.Fatal(err)
	}
	return read, document
}

func TestIssued(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	ca, key := newCA(t, now.Add(365*day))
	other, _ := newCA(t, now.Add(365*day))
	got, _ := issued(t, now, ca, key)
	if got.Server != "https://[fd00::130]:7443" || got.ServerName != "kubernetes" || got.ClusterName != "blue" || !got.From.Equal(now) || !got.Until.Equal(now.Add(30*day)) {
		t.Errorf("read back: %+v", got)
	}
	for name, tt := range map[string]struct {
		after, before time.Duration
		ca            []byte
		why           string // empty: not due
	}{
		"new":                        {0, 0, ca, ""},
		"a third is left":            {20 * day, 0, ca, ""},
		"less than a third":          {20*day + time.Second, 0, ca, "it expires at "},
		"before, not reached":        {20*day + time.Second, 5 * day, ca, ""},
		"before, reached":            {25*day + time.Second, 5 * day, ca, "it expires at "},
		"before, longer than a life": {0, 31 * day, ca, "it expires at "},
		"the last second":            {30*day - time.Second, time.Second, ca, ""},
		"expired":                    {30 * day, time.Second, ca, "it expired at "},
		"another CA":                 {0, 0, other, "the certificates of the cluster's CA have changed"},
		"one more CA":                {0, 0, slices.Concat(ca, other), "the certificates of the cluster's CA have changed"},
		"the same CA, one line more": {0, 0, append([]byte("\n"), ca...), ""},
	} {
		why, due := got.Due(now.Add(tt.after), tt.before, tt.ca)
		if due != (tt.why != "") || !strings.HasPrefix(why, tt.why) {
			t.Errorf("%s: due %t because %q, want %q", name, due, why, tt.why)
		}
	}
}

func TestReadIssuedRefuses(t *testing.T) {
	now := time.Now()
	ca, key := newCA(t, now.Add(365*day))
	_, document := issued(t, now, ca, key)
	good := string(document)
	line := func(key string) string {
		_, rest, _ := strings.Cut(good, key+": ")
		value, _, _ := strings.Cut(rest, "\n")
		return value
	}
	certificate := line("client-certificate-data")
	for name, tt := range map[string]struct{ document, want string }{
		"not YAML":             {"{", "yaml"},
		"nothing":              {"", "names no cluster and user"},
		"another context":      {strings.Replace(good, "current-context: ", "current-context: not-", 1), "names no cluster and user"},
		"a token":              {strings.Replace(good, "client-certificate-data: "+certificate, "token: abc", 1), "no client certificate"},
		"no PEM":               {strings.Replace(good, certificate, base64.StdEncoding.EncodeToString([]byte("x")), 1), "no client certificate"},
		"damaged":              {strings.Replace(good, certificate, line("client-key-data"), 1), "client certificate: "},
		"of somebody else, CA": {strings.Replace(good, certificate, base64.StdEncoding.EncodeToString(ca), 1), "not for harbinger"},
	} {
		if _, err := kubeapi.ReadIssued([]byte(tt.document)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", name, err, tt.want)
		}
	}
}
