// SPDX-License-Identifier: Apache-2.0

package kubeadm_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert/kubeadm"
)

const (
	initDocument = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nlocalAPIEndpoint: {bindPort: 7443}\n"
	joinHead     = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n"
)

func cluster(endpoint string) string {
	return "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: " + endpoint + "\n"
}

func join(endpoint string) string {
	return joinHead + "controlPlane: {}\ndiscovery: {bootstrapToken: {apiServerEndpoint: '" + endpoint + "'}}\n"
}

func TestEndpoints(t *testing.T) {
	for _, tt := range []struct {
		endpoint string
		host     string // accepted
		port     int32
		refused  string // in the error
	}{
		{endpoint: "192.168.238.100:4300", host: "192.168.238.100", port: 4300},
		{endpoint: "192.168.238.100", host: "192.168.238.100"},
		{endpoint: "'192.168.238.100:'", host: "192.168.238.100"},
		{endpoint: "api.example.org:4300", host: "api.example.org", port: 4300},
		{endpoint: "'[fd00::100]:4300'", host: "fd00::100", port: 4300},
		{endpoint: "'fd00::100'", host: "fd00::100"},
		{endpoint: "'FD00:0::100'", host: "fd00::100"},
		{endpoint: "'::ffff:192.168.238.100'", host: "192.168.238.100"},

		{endpoint: "https://192.168.238.100:4300", refused: "must be HOST or HOST:PORT, not a URL: write 192.168.238.100:4300"},
		{endpoint: "https://api.example.org", refused: "not a URL: write api.example.org"},
		{endpoint: "'tcp://[fd00::100]:4300/healthz'", refused: "not a URL: write [fd00::100]:4300"},
		{endpoint: "//192.168.238.100:4300", refused: "not a URL"},
		{endpoint: "192.168.238.100:4300/", refused: "the port must be 1 to 65535"},
		{endpoint: "192.168.238.100/24", refused: "without a prefix length or a path"},
		{endpoint: "'[fd00::100]'", refused: "brackets are for an address with a port: write fd00::100, or [fd00::100]:PORT"},
		{endpoint: "'fe80::1%eth0'", refused: "neither an address nor a DNS name"},
		{endpoint: "':4300'", refused: "the host is missing"},
		{endpoint: "192.168.238.300:4300", refused: "neither an address nor a DNS name"},
		{endpoint: "192.168.238:4300", refused: "neither an address nor a DNS name"},
		{endpoint: "010.0.0.1", refused: "neither an address nor a DNS name"},
		{endpoint: "LB_ADDRESS:LB_PORT", refused: `"LB_ADDRESS" is neither an address nor a DNS name`},
		{endpoint: "API.example.org:4300", refused: "in lower case and without a dot at the end: write api.example.org"},
		{endpoint: "api.example.org.", refused: "write api.example.org"},
		{endpoint: "api.example.org:65536", refused: "the port must be 1 to 65535"},
		{endpoint: "api.example.org:-1", refused: "the port must be 1 to 65535"},
		{endpoint: "'192.168.238.100:4300:4300'", refused: "neither an address nor a DNS name"},

		{endpoint: `"${VIP}:4300"`, refused: `"${VIP}" is neither an address nor a DNS name: a template that was not filled in`},
		{endpoint: "$VIP", refused: `"$VIP" is neither`},
		{endpoint: `"{{ vip }}:4300"`, refused: `"{{ vip }}" is neither`},
		{endpoint: "192.168.238.100:${PORT}", refused: `"${PORT}" is neither`},
		{endpoint: "<VIP>:4300", refused: `"<VIP>" is neither`},
		{endpoint: "'%VIP%:4300'", refused: `"%VIP%" is neither`},
		{endpoint: "__VIP__:4300", refused: `"__VIP__" is neither`},
		{endpoint: "{{ vip }}:4300", refused: `line 3 has "{{ vip }}", a template that was not filled in`},
		{endpoint: "{{ vip }}", refused: `line 3 has "{{ vip }}", a template that was not filled in`},
		{endpoint: "a\n{% if b %}\nc: d\n{% endif %}", refused: `line 4 has "{% if b %}", a template`},
		{endpoint: "a\nclusterName: \"{{ cluster }}\"", refused: `clusterName: Invalid value: "{{ cluster }}"`},
		{endpoint: "", refused: "controlPlaneEndpoint: Required value"},
		{endpoint: "~", refused: "controlPlaneEndpoint: Required value"},
		{endpoint: "6443", refused: "ClusterConfiguration: "},
		{endpoint: "192.168.238.100\ncontrolPlaneEndpoint: 192.168.238.101", refused: `key "controlPlaneEndpoint" already set in map`},
	} {
		got, err := kubeadm.Parse([]byte(cluster(tt.endpoint)))
		switch {
		case tt.refused == "" && err != nil:
			t.Errorf("%s is refused: %v", tt.endpoint, err)
		case tt.refused == "" && (got.Host != tt.host || got.Port != tt.port):
			t.Errorf("%s is %s and port %d, want %s and %d", tt.endpoint, got.Host, got.Port, tt.host, tt.port)
		case tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)):
			t.Errorf("%s: %v, want %q in it", tt.endpoint, err, tt.refused)
		}
	}
}

// What the documents of a file say together, in any order.
func TestDocuments(t *testing.T) {
	const bare = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
	endpoint := cluster("192.168.238.100:4300")
	for name, tt := range map[string]struct {
		documents []string
		want      kubeadm.Configuration
		refused   string
	}{
		"all three": {documents: []string{endpoint, initDocument, join("192.168.238.100:4300")},
			want: kubeadm.Configuration{Host: "192.168.238.100", Port: 4300, BindPort: 7443}},
		"without a port, and the port that follows": {documents: []string{cluster("192.168.238.100"), initDocument, join("192.168.238.100:7443")},
			want: kubeadm.Configuration{Host: "192.168.238.100", Port: 7443, BindPort: 7443}},
		"another endpoint to join": {documents: []string{endpoint, join("192.168.238.130:6443")},
			refused: "another document of the file has the endpoint 192.168.238.100:4300"},
		"another port to join": {documents: []string{cluster("192.168.238.100"), join("192.168.238.100:4300")}, refused: "another document of the file has the endpoint"},
		"other ports of the apiservers": {documents: []string{endpoint, initDocument, joinHead + "controlPlane: {localAPIEndpoint: {bindPort: 8443}}\n"},
			refused: "controlPlane.localAPIEndpoint.bindPort: Invalid value: 8443"},
		"a port that is none":     {documents: []string{endpoint, strings.Replace(initDocument, "7443", "74430", 1)}, refused: "localAPIEndpoint.bindPort: Invalid value: 74430"},
		"a port of a template":    {documents: []string{endpoint, strings.Replace(initDocument, "7443", "${PORT}", 1)}, refused: `line 7 has "${PORT}", a template`},
		"only init":               {documents: []string{initDocument}, refused: "there is an InitConfiguration without a ClusterConfiguration, where kubeadm looks for the endpoint: controlPlaneEndpoint: Required value: without it kubeadm does not use the virtual address"},
		"init and join":           {documents: []string{initDocument, join("192.168.238.100:4300")}, refused: "controlPlaneEndpoint: Required value"},
		"no endpoint":             {documents: []string{initDocument, bare}, refused: "controlPlaneEndpoint: Required value"},
		"in other letters":        {documents: []string{bare + "controlplaneendpoint: 192.168.238.100\n"}, refused: "controlPlaneEndpoint: Required value"},
		"two clusters":            {documents: []string{endpoint, initDocument, cluster("192.168.238.101:4300")}, refused: "two documents of kind ClusterConfiguration in one file, which kubeadm refuses"},
		"two of another program":  {documents: []string{endpoint, "apiVersion: a/v1\nkind: B\n", "apiVersion: a/v2\nkind: B\n"}, refused: "two documents of kind B"},
		"two joins":               {documents: []string{join("192.168.238.100:4300"), join("192.168.238.100:4300")}, refused: "two documents of kind JoinConfiguration"},
		"join without a port":     {documents: []string{join("192.168.238.100")}, refused: "kubeadm join wants HOST:PORT"},
		"join at a URL":           {documents: []string{join("https://192.168.238.100:4300")}, refused: "discovery.bootstrapToken.apiServerEndpoint: Invalid value"},
		"join as a control plane": {documents: []string{join("[fd00::100]:4300")}, want: kubeadm.Configuration{Host: "fd00::100", Port: 4300, Join: true}},
		"join as a worker": {documents: []string{joinHead + "discovery: {bootstrapToken: {apiServerEndpoint: '192.168.238.100:4300'}}\n"},
			want: kubeadm.Configuration{Host: "192.168.238.100", Port: 4300, Join: true, Worker: true}},
		"an old version":               {documents: []string{strings.Replace(endpoint, "v1beta4", "v1beta2", 1)}, refused: "run kubeadm config migrate --old-config FILE --new-config NEW"},
		"no version":                   {documents: []string{strings.Replace(endpoint, "apiVersion: kubeadm.k8s.io/v1beta4\n", "", 1)}, refused: "ClusterConfiguration: apiVersion: Required value"},
		"CRLF and a comment":           {documents: []string{"# a comment\r\n", strings.ReplaceAll(endpoint, "\n", "\r\n")}, want: kubeadm.Configuration{Host: "192.168.238.100", Port: 4300}},
		"a cluster of another program": {documents: []string{endpoint, "apiVersion: installer.example.org/v1\nkind: KubeletConfiguration\n"}, want: kubeadm.Configuration{Host: "192.168.238.100", Port: 4300}},
		"a new version":                {documents: []string{strings.Replace(endpoint, "v1beta4", "v1", 1)}, refused: `apiVersion: Unsupported value: "kubeadm.k8s.io/v1"`},
		"version to fill in": {documents: []string{strings.Replace(endpoint, "kubeadm.k8s.io/v1beta4", "'kubeadm.k8s.io/{{ version }}'", 1)},
			refused: `apiVersion: "{{ version }}" is a template`},
	} {
		orders := [][]string{tt.documents, slices.Clone(tt.documents)}
		slices.Reverse(orders[1])
		for _, documents := range orders[:min(2, len(tt.documents))] {
			if strings.HasPrefix(tt.refused, "line ") {
				documents = tt.documents // the line is that of the order
			}
			got, err := kubeadm.Parse([]byte(strings.Join(documents, "---\n")))
			if err == nil {
				tt.want.Version = "v1beta4"
			}
			switch {
			case tt.refused == "" && (err != nil || got != tt.want):
				t.Errorf("%s: %+v, %v, want %+v", name, got, err, tt.want)
			case tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)):
				t.Errorf("%s: %v, want %q in it", name, err, tt.refused)
			}
		}
	}
}

// names is a resolver with a table.
type names map[string]string

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, addr := range strings.Fields(n[host]) {
		addrs = append(addrs, netip.MustParseAddr(addr))
	}
	if len(addrs) == 0 {
		return nil, errors.New("no such host")
	}
	return addrs, nil
}

func TestWarnings(t *testing.T) {
	vips := []netip.Addr{netip.MustParseAddr("192.168.238.100"), netip.MustParseAddr("fd00::100")}
	hosts := names{"vip": "192.168.238.100", "both": "fd00::100 ::ffff:192.168.238.100", "node": "192.168.238.130", "all": "192.168.238.100 192.168.238.130"}
	const line = "add this line to /etc/hosts: 192.168.238.100 %s"
	for name, tt := range map[string]struct {
		from kubeadm.Configuration
		r    kubeadm.Resolver
		want string
	}{
		"an address":                        {kubeadm.Configuration{Host: "192.168.238.100"}, hosts, ""},
		"the virtual address":               {kubeadm.Configuration{Host: "vip"}, hosts, ""},
		"both virtual addresses":            {kubeadm.Configuration{Host: "both"}, hosts, ""},
		"a node":                            {kubeadm.Configuration{Host: "node"}, hosts, "node gives 192.168.238.130 here: it must give 192.168.238.100 on every host"},
		"also a node":                       {kubeadm.Configuration{Host: "all"}, hosts, "all gives 192.168.238.130 here"},
		"the line for a node":               {kubeadm.Configuration{Host: "node"}, hosts, fmt.Sprintf(line, "node")},
		"an unknown name":                   {kubeadm.Configuration{Host: "unknown"}, hosts, "unknown has no address here (no such host): it must give 192.168.238.100"},
		"not looked up":                     {kubeadm.Configuration{Host: "vip"}, nil, fmt.Sprintf(line, "vip")},
		"a worker":                          {kubeadm.Configuration{Host: "192.168.238.100", Worker: true}, hosts, "kubeadm makes the node a worker"},
		"a port that is read as a group":    {kubeadm.Configuration{Host: "fd00::100:4300"}, hosts, "for port 4300 of fd00::100 write [fd00::100]:4300"},
		"a group that may be no port":       {kubeadm.Configuration{Host: "fd00::100"}, hosts, ""},
		"a port beside a group like a port": {kubeadm.Configuration{Host: "fd00::4300", Port: 4300}, hosts, ""},
	} {
		got := strings.Join(tt.from.Warnings(t.Context(), tt.r, vips), "\n")
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q in it", name, got, tt.want)
		}
	}
}

// Where the port was read as a part of the address, the virtual address differs from it, and it is said why.
func TestSwallowedPort(t *testing.T) {
	cfg := v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"fd00::100/64"}}
	errs := kubeadm.Configuration{Host: "fd00::100:4300"}.Complete(&cfg)
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "for port 4300 of fd00::100 write [fd00::100]:4300") {
		t.Errorf("it says %v", errs)
	}
}

// Whatever is in the file, it is read to its end, and an endpoint without an error is one that kubeadm takes.
func FuzzParse(f *testing.F) {
	f.Add([]byte(initDocument + "---\n" + cluster("'[fd00::100]:4300'") + "---\n" + join("192.168.238.100:4300")))
	f.Add([]byte(cluster("{{ vip }}:4300")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		k, err := kubeadm.Parse(raw)
		if err == nil && (k.Port < 0 || k.Port > 65535 || strings.ContainsAny(k.Host, "/[]{}$ ")) {
			t.Errorf("%q is port %d of host %q", raw, k.Port, k.Host)
		}
	})
}
