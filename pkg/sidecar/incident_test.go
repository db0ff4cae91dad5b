// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/announce"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/view/terminal"
)

// An incident is watched on the hosts of a deployment, by everything that shows it.
type incident struct {
	*deployment
	alerts []alertCase
}

// An alertCase is what Prometheus has scraped at one moment, and the alerts that fire when it stays so.
type alertCase struct {
	name   string
	series []string
	firing []string
}

// ask returns what a host answers at its status address.
func (i *incident) ask(h *lab.Host, path string) string {
	i.t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: h.Dial}}
	response, err := client.Get("http://127.0.0.1:10443" + path)
	labtest.Must(i.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	labtest.Must(i.t, err)
	return string(body)
}

// conditions returns those of the findings of a status.
func conditions(s v1alpha1.HarbingerStatus) (found []string) {
	for _, f := range s.Findings {
		found = append(found, f.Condition)
	}
	return found
}

// shows waits until the worst finding of a host is of a condition, and checks that log, text, page and metrics say the same. An
// empty condition: all is well.
func (i *incident) shows(phase string, h *lab.Host, worst string) {
	i.t.Helper()
	var s v1alpha1.HarbingerStatus
	labtest.Until(i.t, 2*patience, fmt.Sprintf("%s: the worst finding of %s is %q, not %q", phase, h.Name, worst, conditions(i.status(h))), func() bool {
		s = i.status(h)
		return s.Node != "" && (worst == "" && s.Findings == nil && s.Ready || worst != "" && s.Worst() != nil && s.Worst().Condition == worst)
	})
	page, scraped := i.ask(h, "/"), i.ask(h, "/metrics")
	again := i.status(h)
	if !slices.Equal(conditions(s), conditions(again)) {
		i.t.Logf("%s: the findings of %s went on from %q to %q", phase, h.Name, conditions(s), conditions(again))
		s = again
		page, scraped = i.ask(h, "/"), i.ask(h, "/metrics")
	}
	first := firstLines(terminal.Render(&s, terminal.Options{Now: time.Now(), Width: 80}), 3)
	for n, f := range s.Findings {
		if !strings.Contains(html.UnescapeString(page), f.Summary) {
			i.t.Errorf("%s: the page of %s does not say %q", phase, h.Name, f.Summary)
		}
		if series := fmt.Sprintf("harbinger_finding{condition=%q,severity=%q} 1\n", f.Condition, f.Severity); !strings.Contains(scraped, series) {
			i.t.Errorf("%s: the metrics of %s do not have %s", phase, h.Name, series)
		}
		if begin := f.Summary[:min(len(f.Summary), 60)]; n == 0 && !strings.Contains(first, begin) {
			i.t.Errorf("%s: the first lines of %s are %q, without %q", phase, h.Name, first, begin)
		}
	}
	if n := strings.Count(scraped, "harbinger_finding{"); n < 10 {
		i.t.Errorf("%s: only %d conditions in the metrics of %s", phase, n, h.Name)
	}
	if firing := regexp.MustCompile(`(?m)^harbinger_finding\{.*\} 1$`).FindAllString(scraped, -1); len(firing) != len(s.Findings) {
		i.t.Errorf("%s: %s has the findings %q, its metrics %q", phase, h.Name, conditions(s), firing)
	}
}

// firstLines returns the first lines of a text as one, with single spaces.
func firstLines(text string, n int) string {
	lines := strings.SplitN(text, "\n", n+1)
	return strings.Join(strings.Fields(strings.Join(lines[:min(n, len(lines))], " ")), " ")
}

// logged waits until a host has written a line with all of some parts, and fails where it has written it more than once.
func (i *incident) logged(h *lab.Host, level, message string, parts ...string) {
	i.t.Helper()
	process := i.processes[slices.Index(i.hosts, h)]
	count := func() (n int) {
		for line := range strings.Lines(process.Output()) {
			if strings.Contains(line, "level="+level+" ") && strings.Contains(line, fmt.Sprintf("msg=%q ", message)) &&
				!slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
				n++
			}
		}
		return n
	}
	labtest.Until(i.t, patience, fmt.Sprintf("%s writes %s %q %q", h.Name, level, message, parts), func() bool { return count() > 0 })
	if n := count(); n != 1 {
		i.t.Errorf("%s has written %q %q %d times", h.Name, message, parts, n)
	}
}

// scrape keeps what Prometheus would scrape from all hosts now, and the alerts that must fire when it stays so.
func (i *incident) scrape(name string, firing ...string) {
	i.t.Helper()
	c := alertCase{name: name, firing: firing}
	for _, h := range i.hosts {
		labels := fmt.Sprintf(`job="harbinger",instance=%q`, h.Name)
		c.series = append(c.series, "up{"+labels+"} 1")
		for line := range strings.Lines(i.ask(h, "/metrics")) {
			if found := sampleOf.FindStringSubmatch(line); found != nil {
				own := strings.TrimSuffix(strings.TrimPrefix(found[2], "{"), "}")
				if own != "" {
					own += ","
				}
				c.series = append(c.series, found[1]+"{"+own+labels+"} "+found[3])
			}
		}
	}
	i.alerts = append(i.alerts, c)
}

var sampleOf = regexp.MustCompile(`^(harbinger_\w+)(\{.*\})? (\S+)\n$`)

// alertsAt is how long what was scraped has stood when the alerts are looked at. No alert waits for longer.
const alertsAt = time.Hour

// promtool lets Prometheus itself say which alerts fire.
func (i *incident) promtool() {
	i.t.Helper()
	rules, err := filepath.Abs("../../manifests/monitoring/alerts.yaml")
	labtest.Must(i.t, err)
	type sample struct {
		Labels string  `json:"labels"`
		Value  float64 `json:"value"`
	}
	type expression struct {
		Expr    string   `json:"expr"`
		At      string   `json:"eval_time"`
		Samples []sample `json:"exp_samples"`
	}
	type series struct {
		Series string `json:"series"`
		Values string `json:"values"`
	}
	type group struct {
		Name        string       `json:"name"`
		Interval    string       `json:"interval"`
		Series      []series     `json:"input_series"`
		Expressions []expression `json:"promql_expr_test"`
	}
	file := struct {
		Rules  []string `json:"rule_files"`
		Groups []group  `json:"tests"`
	}{Rules: []string{rules}}
	for _, c := range i.alerts {
		g := group{Name: c.name, Interval: "1m", Expressions: []expression{{Expr: `group by (alertname) (ALERTS{alertstate="firing"})`, At: alertsAt.String()}}}
		for _, s := range c.series {
			name, value, _ := strings.Cut(s, "} ")
			g.Series = append(g.Series, series{Series: name + "}", Values: constant(i.t, name, value)})
		}
		for _, alert := range c.firing {
			g.Expressions[0].Samples = append(g.Expressions[0].Samples, sample{Labels: fmt.Sprintf("{alertname=%q}", alert), Value: 1})
		}
		file.Groups = append(file.Groups, g)
	}
	text, err := yaml.Marshal(file)
	labtest.Must(i.t, err)
	path := filepath.Join(i.t.TempDir(), "incident.yaml")
	labtest.Must(i.t, os.WriteFile(path, text, 0o600))
	if out, err := exec.Command("promtool", "test", "rules", path).CombinedOutput(); err != nil {
		i.t.Errorf("promtool: %v\n%s", err, out)
	}
}

// constant is a series that stays as it was scraped. The time of the tests of promtool begins in 1970: a time moves along.
func constant(t *testing.T, name, value string) string {
	t.Helper()
	v, err := strconv.ParseFloat(value, 64)
	labtest.Must(t, err)
	if strings.Contains(name, "timestamp_seconds") {
		v += alertsAt.Seconds() - float64(time.Now().Unix())
	}
	return strconv.FormatFloat(v, 'f', -1, 64) + fmt.Sprintf("+0x%d", int(alertsAt/time.Minute)+1)
}

// serveBeside runs the apiserver of another host, with the Lease of the first, until it is ended.
func serveBeside(t *testing.T, a *apiServer, h *lab.Host) (end func()) {
	t.Helper()
	server := httptest.NewUnstartedServer(a)
	labtest.Must(t, server.Listener.Close())
	labtest.Must(t, h.Do(func() (err error) {
		server.Listener, err = net.Listen("tcp", ":6443")
		return err
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	end = func() {
		server.CloseClientConnections()
		server.Close()
	}
	t.Cleanup(end)
	return end
}

// withCertificate gives a host credentials whose client certificate expires, and returns what takes them away again.
func withCertificate(t *testing.T, h *lab.Host, left time.Duration) (back func()) {
	t.Helper()
	const path = "/etc/kubernetes/harbinger/kubeconfig"
	before, err := h.ReadFile(path)
	labtest.Must(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	labtest.Must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(left)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	labtest.Must(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	labtest.Must(t, err)
	encode := func(kind string, content []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
	}
	user := "user: {client-certificate-data: " + encode("CERTIFICATE", der) + ", client-key-data: " + encode("EC PRIVATE KEY", private) + "}"
	labtest.Must(t, h.WriteFile(path, strings.Replace(before, "user: {token: secret}", user, 1)))
	return func() { labtest.Must(t, h.WriteFile(path, before)) }
}

// Whatever is wrong, the log, the status, the page, the metrics and the alerts of a host say the same, and all of them say when it
// is over.
func TestIncidentIsSeenEverywhere(t *testing.T) {
	api := serveAPI(t)
	endSecond := serveBeside(t, api, peer)
	i := &incident{deployment: deploy(t, "Hybrid", oneAddress+body("Hybrid", ""), vip4, self, peer)}
	holds, waits := self, peer
	if i.holds() == peer.Name {
		holds, waits = peer, self
	}
	well := func(after string) {
		t.Helper()
		i.shows(after, holds, "")
		i.shows(after, waits, "")
		i.scrape(after)
	}
	well("at the start")

	open := labtest.Firewall(t, waits, "chain input { type filter hook input priority 0; meta l4proto 112 drop; }")
	i.shows("split", waits, v1alpha1.ConditionSplitSuspected)
	i.scrape("split", "HarbingerSplitSuspected", "HarbingerFiltered")
	i.logged(waits, "ERROR", logging.MsgAlarmRaised, "kind=Filtered")
	open()
	well("repaired")
	i.logged(waits, "INFO", logging.MsgAlarmCleared, "kind=Filtered")

	api.setSilent(true)
	i.shows("no API", holds, v1alpha1.ConditionAPIReachable)
	i.scrape("no API", "HarbingerAPIUnreachable")
	i.logged(holds, "WARN", logging.MsgAPILost)
	api.setSilent(false)
	well("API back")
	i.logged(holds, "INFO", logging.MsgAPIBack)

	endSecond()
	i.shows("backend down", holds, v1alpha1.ConditionBackendsHealthy)
	i.scrape("backend down", "HarbingerBackendDown")
	second := "backend=" + peer.Address.Addr().String() + ":6443"
	i.logged(holds, "WARN", logging.MsgBackendChanged, second, "to=Down")
	serveBeside(t, api, peer)
	well("backend back")
	i.logged(holds, "INFO", logging.MsgBackendChanged, second, "from=Down")

	var foreign *announce.Announcer
	labtest.Must(t, third.Do(func() error {
		link, err := net.InterfaceByName(lab.Interface)
		if err == nil {
			foreign, err = announce.New(announce.Link{Name: link.Name, Index: link.Index, MAC: link.HardwareAddr})
		}
		return err
	}))
	defer foreign.Close()
	labtest.Must(t, foreign.Announce(vip4.Addr()))
	i.shows("conflict", holds, v1alpha1.ConditionConflict)
	i.scrape("conflict", "HarbingerConflict")
	i.logged(holds, "ERROR", logging.MsgAlarmRaised, "kind=AddressConflict", third.MAC.String())
	well("conflict over")
	i.logged(holds, "INFO", logging.MsgAlarmCleared, "kind=AddressConflict")

	back := withCertificate(t, holds, 20*24*time.Hour)
	i.shows("certificate of 20 days", holds, v1alpha1.ConditionCredentialsCurrent)
	i.scrape("certificate of 20 days", "HarbingerCertificateExpiresSoon")
	i.logged(holds, "WARN", logging.MsgCredentialsExpire)
	back()
	well("certificate renewed")
	i.promtool()
}
