// SPDX-License-Identifier: Apache-2.0

package kubevip_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/kubevip"
)

func run(raw string) (cfg v1alpha1.HarbingerConfiguration, found convert.Findings) {
	return cfg, kubevip.Convert(convert.File{Name: "pod", Content: []byte(raw)}, &cfg)
}

// pod has a container with these variables, each NAME=VALUE.
func pod(variables ...string) string {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: kube-vip\n    image: kube-vip\n    args: [manager]\n    env:\n")
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		fmt.Fprintf(&b, "    - {name: %s, value: %q}\n", name, value)
	}
	return b.String()
}

// complete has what each pod needs.
func complete(more ...string) string {
	return pod(append([]string{"vip_arp=true", "cp_enable=true", "address=192.168.238.100"}, more...)...)
}

// texts returns the findings of some classes.
func texts(found convert.Findings, classes ...convert.Class) (all []string) {
	for _, f := range found.Of(classes...) {
		all = append(all, f.String())
	}
	return all
}

// Each shape that kube-vip is run in, and what it becomes.
func TestShapes(t *testing.T) {
	ports := func(client, apiServer int32) v1alpha1.ControlPlane {
		return v1alpha1.ControlPlane{Port: client, APIServerPort: apiServer}
	}
	for name, tt := range map[string]struct {
		raw   string
		want  v1alpha1.HarbingerConfiguration
		lease string
		warns []string
	}{
		"arpAndBalancer": {arpAndBalancer, v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.100/24"}, Interface: "ens160", ControlPlane: ports(4300, 6443)},
			"kube-system/plndr-cp-lock", []string{"pod:48: prometheus_server :2112"}},
		"version03": {version03, v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.100"}, Interface: "bond0", ControlPlane: ports(7443, 7443)},
			"control-plane/plndr-cp-lock", []string{"pod:18: vip_leaseduration 15: longer", "pod:19: vip_renewdeadline 10: longer", "pod:20: vip_retryperiod 2: longer"}},
		"daemonSet": {daemonSet, v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.100/24", "fd00::100/64"}, ControlPlane: ports(6443, 6443)},
			"kube-system/east-lock", []string{"pod:35: prometheus_server :2112"}},
		"clusterAPI": {clusterAPI, v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.100"}, ControlPlane: ports(6443, 6443)},
			"kube-system/plndr-cp-lock", nil},
		"helmChart": {helmChart, v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.100"}, Interface: "eth0", ControlPlane: ports(6443, 6443)},
			"kube-system/plndr-cp-lock", nil},
		"environment": {environment, v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.100"}, Interface: "eth0", ControlPlane: ports(6443, 6443)},
			"kube-system/east-lock", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, found := run(tt.raw)
			if err := found.Err(); err != nil {
				t.Fatalf("it is refused: %v", err)
			}
			tt.want.Election.Lease.Predecessor = tt.lease
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
			checkTexts(t, texts(found, convert.Dropped, convert.Wrong), tt.warns)
			if _, err := scheme.Complete(&got); err != nil {
				t.Errorf("the configuration is not valid: %v", err)
			}
		})
	}
}

func checkTexts(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d texts, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
		return
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("text %q, want it to begin with %q", got[i], want[i])
		}
	}
}

// A list has the same pod.
func TestListAndConfigMap(t *testing.T) {
	list := "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimSpace(complete()), "\n", "\n  ") + "\n"
	got, found := run(list)
	if err := found.Err(); err != nil || got.VirtualAddresses[0] != "192.168.238.100" {
		t.Errorf("a list gives %v, %v", got.VirtualAddresses, err)
	}
	const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: vip}\ndata:\n  address: 192.168.238.101\n  port: \"7443\"\n---\n"
	from := complete() + "    envFrom: [{configMapRef: {name: vip}}]\n"
	got, found = run(configMap + from)
	if err := found.Err(); err != nil || got.VirtualAddresses[0] != "192.168.238.100" || got.ControlPlane.APIServerPort != 7443 {
		t.Errorf("with a ConfigMap, whose address the container overrides: %v, %v, %v", got.VirtualAddresses, got.ControlPlane, err)
	}
	if _, found = run(from); found.Err() == nil || !strings.Contains(found.Err().Error(), "put the configMapRef vip into the file") {
		t.Errorf("a ConfigMap that is elsewhere: %v", found.Err())
	}
}

// A script beside the pod is no pod, and a pod that is not filled in is none either.
func TestTextsInDocuments(t *testing.T) {
	const files = "kind: KubeadmControlPlane\nspec:\n  files:\n"
	script := "  - content: |\n      #!/bin/sh\n      cat > /etc/kubernetes/manifests/kube-vip.yaml <<EOF\n      kind: Pod\n      metadata: {name: kube-vip\n"
	inner := "  - content: |\n      " + strings.ReplaceAll(strings.TrimSpace(complete()), "\n", "\n      ") + "\n"
	for _, raw := range []string{files + script + inner, files + inner + script} {
		if got, found := run(raw); found.Err() != nil || got.VirtualAddresses[0] != "192.168.238.100" {
			t.Errorf("%s\ngives %v, %v", raw, got.VirtualAddresses, found.Err())
		}
	}
	for raw, want := range map[string]string{
		files + script: "it cannot be read",
		files + strings.Replace(inner, "containers:", "containers: {{ .list }}", 1): `pod:8: {{ .list }}: part of a template`,
	} {
		if _, found := run(raw); found.Err() == nil || !strings.Contains(found.Err().Error(), want) {
			t.Errorf("%s\nis refused with %v, want %q in it", raw, found.Err(), want)
		}
	}
}

// What Harbinger cannot be is refused by its name, with what to do; what is not filled in is refused too.
func TestRefused(t *testing.T) {
	for raw, want := range map[string]string{
		complete("bgp_enable=true"):                     "bgp_enable true: Harbinger speaks no BGP",
		complete("vip_routingtable=true"):               "vip_routingtable true: Harbinger sets no routes",
		complete("vip_wireguard=true"):                  "vip_wireguard true: Harbinger has no tunnels",
		complete("vip_packet=true"):                     "vip_packet true: Harbinger moves no address by the API of Equinix Metal",
		complete("vip_ddns=true"):                       "vip_ddns true: Harbinger asks no DHCP server",
		complete("svc_enable=true"):                     "run kube-vip for those in a DaemonSet of its own with svc_enable true and cp_enable false",
		complete("config_file=/etc/kube-vip.yaml"):      "the settings are in that file",
		complete("lb_type=http"):                        "the balancer passes TLS through",
		complete("vip_interface=lo"):                    "the loopback is for BGP",
		complete("vip_interface=${IFACE}"):              `"${IFACE}" is part of a template`,
		complete("vip_leasename=${LEASE}"):              `"${LEASE}" is part of a template`,
		complete("port=0"):                              "want a whole number from 1 to 65535",
		complete("lb_port=https"):                       "want a whole number from 1 to 65535",
		complete("vip_subnet=255.255.255.0"):            "want prefix lengths such as 24",
		complete("lb_backends=192.168.238.130"):         "want addresses with ports",
		complete("lb_enable=yes"):                       "want true or false: kube-vip does not start with it",
		complete("vip_address=192.168.238.101"):         "address is 192.168.238.100: which of the two counts",
		complete("backend_health_check_interval=often"): "want a time",
		pod("vip_arp=true", "address=api.example.org"):  "a DNS name is no address, and Harbinger is there before a name server can be asked: write the address that api.example.org gives",
		pod("vip_arp=true", "address={{ vip }}"):        `"{{ vip }}" is part of a template that was not filled in`,
		pod("vip_arp=true", "address=VIP_ADDRESS"):      `"VIP_ADDRESS" is no address`,
		pod("vip_arp=true", "address=192.168.238.300"):  `"192.168.238.300" is no address`,
		pod("vip_arp=true", "cp_enable=true"):           "it has no address: neither address nor vip_address is set",
		pod("vip_arp=true", "cp_enable=false"):          "this pod holds no address of a control plane",
		pod("svc_enable=true", "vip_arp=true"):          "svc_enable true: Harbinger serves the control plane",
		"kind: Pod\nspec:\n  containers:\n  - name: kube-vip\n    env:\n    - name: address\n      value: {{ vip }}\n":          "address {{ … }}: \"{{ … }}\" is part of a template",
		"kind: Pod\nspec:\n  containers:\n  - name: kube-vip\n    env:\n{% if vip %}\n    - name: address\n{% endif %}\n":       `pod:6: {% if vip %}: part of a template`,
		"kind: Pod\nspec:\n  containers:\n  - name: kube-vip\n    env:\n    - name: address\n      value: {{ vip }}":            "template",
		"kind: Pod\nspec:\n  containers:\n  - name: kube-vip\n    env:\n    - {name: address, valueFrom: {secretKeyRef: {}}}\n": "its value is in secretKeyRef",
		"kind: Pod\nspec:\n  containers:\n  - name: etcd\n    env: []\n":                                                        "no container of it is here",
		"":                                "no container of it is here",
		"a: [":                            "it cannot be read",
		"a: &a [*a, *a]\n":                "it is nested too deeply",
		complete() + "---\n" + complete(): "there is a container of kube-vip in line 5 already",
	} {
		_, found := run(raw)
		if err := found.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nis refused with %v, want %q in it", raw, err, want)
		}
	}
}

// What is warned of, and what is not.
func TestWarned(t *testing.T) {
	for raw, want := range map[string][]string{
		complete(): nil,
		complete("vip_leaseduration=5", "vip_retryperiod=1", "svc_enable=false", "bgp_enable=false", "vip_interface="): nil,
		complete("vip_leaseduration=60"):                 {"pod:12: vip_leaseduration 60: longer than kube-vip's default, 5 s"},
		complete("lb_enable=false"):                      {"pod:12: lb_enable false: the balancer spreads"},
		complete("lb_fwdmethod=local"):                   {"pod:12: lb_fwdmethod local: the balancer relays"},
		complete("vip_leaderelection=false"):             {"pod:12: vip_leaderelection false: kube-vip takes the address on every node"},
		complete("vip_loseleadership=true"):              {"pod:12: vip_loseleadership true: not known to this command"},
		complete("bgp_peerpass=secret"):                  {"pod:12: bgp_peerpass …: only for BGP"},
		complete("port=6443", "port=7443"):               {"pod:12: port 6443: it is set again in line 13, which counts"},
		pod("address=192.168.238.100", "cp_enable=true"): {"pod:5: container kube-vip: kube-vip announces the address in no way"},
		pod("address=192.168.238.100", "vip_arp=false"):  {"pod:10: vip_arp false: kube-vip announces the address in no way"},
		strings.Replace(complete(), "[manager]", "[manager, --leaderElectionType=etcd, --etcdEndpoints, 'h:2379']", 1): {
			"pod:7: --leaderElectionType etcd: of the election by etcd", "pod:7: --etcdEndpoints h:2379: of the election by etcd"},
		strings.Replace(complete(), "[manager]", "[manager, --leaderElectionType, kubernetes, --port=1, --arp]", 1): {"pod:7: vip_arp true: it is set again in line 9"},
	} {
		_, found := run(raw)
		if err := found.Err(); err != nil {
			t.Errorf("%s\nis refused: %v", raw, err)
		}
		checkTexts(t, texts(found, convert.Dropped, convert.Wrong), want)
	}
}

// Without a Lease there is none to wait for.
func TestNoLease(t *testing.T) {
	for raw, want := range map[string]string{
		complete(): "kube-system/plndr-cp-lock",
		complete("vip_leaderelection=true", "vip_leasename=east", "cp_namespace=vips"):      "vips/east",
		complete("vip_leaderelection=false"):                                                "",
		strings.Replace(complete(), "[manager]", "[manager, --leaderElectionType=etcd]", 1): "",
	} {
		if got, found := run(raw); found.Err() != nil || got.Election.Lease.Predecessor != want {
			t.Errorf("%s\nwaits for %q, %v, want %q", raw, got.Election.Lease.Predecessor, found.Err(), want)
		}
	}
}

// The balancer has the port of the clients, and the apiservers theirs.
func TestPortsAndBackends(t *testing.T) {
	for raw, want := range map[string]v1alpha1.ControlPlane{
		complete():                            {Port: 6443, APIServerPort: 6443},
		complete("port=7443"):                 {Port: 7443, APIServerPort: 7443},
		complete("port=7443", "lb_port=4300"): {Port: 7443, APIServerPort: 7443},
		complete("lb_port=4300", "port=7443", "lb_enable=true"):                             {Port: 4300, APIServerPort: 7443},
		complete("lb_enable=true"):                                                          {Port: 6443, APIServerPort: 6443},
		complete("lb_enable=true", "lb_backendport=7443"):                                   {Port: 6443, APIServerPort: 7443},
		strings.Replace(complete(), "[manager]", "[manager, --port=7443]", 1):               {Port: 7443, APIServerPort: 7443},
		strings.Replace(complete("port=8443"), "[manager]", "[manager, --port, '7443']", 1): {Port: 8443, APIServerPort: 8443},
	} {
		got, found := run(raw)
		if err := found.Err(); err != nil || got.ControlPlane != want {
			t.Errorf("%s\ngives %+v, %v, want %+v", raw, got.ControlPlane, err, want)
		}
	}
	got, _ := run(complete("lb_backends=192.168.238.130:6443,192.168.238.131:6443", "backend_health_check_interval=2"))
	if b := got.LoadBalancer.Backends; len(b) != 2 || b[1].Address != "192.168.238.131:6443" || got.HealthCheck.Interval.Seconds() != 2 {
		t.Errorf("backends are %v, checked every %v", b, got.HealthCheck.Interval)
	}
}

// A subnet without one for each family is for all addresses that it fits.
func TestSubnets(t *testing.T) {
	for subnet, want := range map[string]string{
		"": "192.168.238.100 fd00::100", "32": "192.168.238.100 fd00::100", "24": "192.168.238.100/24 fd00::100", "/24": "192.168.238.100/24 fd00::100",
		"24,64": "192.168.238.100/24 fd00::100/64", "64,24": "192.168.238.100/24 fd00::100/64", "32,128": "192.168.238.100 fd00::100",
		"auto": "192.168.238.100 fd00::100", "64": "192.168.238.100 fd00::100/64",
	} {
		got, found := run(pod("vip_arp=true", "vip_address=192.168.238.100, fd00::100", "vip_cidr="+subnet))
		if all := strings.Join(got.VirtualAddresses, " "); found.Err() != nil || all != want {
			t.Errorf("%q gives %s, %v, want %s", subnet, all, found.Err(), want)
		}
	}
}

// Whatever is in the file, it is read to its end, and a configuration without an error is one that can be checked.
func FuzzConvert(f *testing.F) {
	for _, raw := range []string{arpAndBalancer, daemonSet, clusterAPI, helmChart, environment} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(_ *testing.T, raw []byte) {
		if cfg, found := run(string(raw)); found.Err() == nil {
			_, _ = scheme.Complete(&cfg) // must not panic; it says itself what it misses
		}
	})
}
