// SPDX-License-Identifier: Apache-2.0

package kubeadm_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert/kubeadm"
)

const initV1beta4 = `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 192.168.238.130, bindPort: 7443}
nodeRegistration:
  kubeletExtraArgs: [{name: node-ip, value: 192.168.238.130}]
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: east
kubernetesVersion: v1.34.4
controlPlaneEndpoint: 192.168.238.100:4300
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
clusterName: not this one
`

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		raw  string
		want kubeadm.Configuration
	}{
		{"init", initV1beta4, kubeadm.Configuration{Host: "192.168.238.100", Port: 4300, BindPort: 7443, ClusterName: "east"}},
		{"init of v1beta3", strings.ReplaceAll(strings.Replace(initV1beta4, "kubeletExtraArgs: [{name: node-ip, value: 192.168.238.130}]",
			"kubeletExtraArgs: {node-ip: 192.168.238.130}", 1), "v1beta4", "v1beta3"),
			kubeadm.Configuration{Host: "192.168.238.100", Port: 4300, BindPort: 7443, ClusterName: "east"}},
		{"cluster", "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: 'api.example.org'\n",
			kubeadm.Configuration{Host: "api.example.org"}},
		{"IPv6", "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: '[fd00::100]:6443'\n",
			kubeadm.Configuration{Host: "fd00::100", Port: 6443}},
		{"IPv6 without a port", "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: 'fd00::100'\n",
			kubeadm.Configuration{Host: "fd00::100"}},
		{"join", `{apiVersion: kubeadm.k8s.io/v1beta4, kind: JoinConfiguration, controlPlane: {localAPIEndpoint: {bindPort: 7443}},
			discovery: {bootstrapToken: {apiServerEndpoint: "192.168.238.100:4300", token: t}}}`,
			kubeadm.Configuration{Host: "192.168.238.100", Port: 4300, BindPort: 7443, Join: true}},
		{"join of v1beta3", `{apiVersion: kubeadm.k8s.io/v1beta3, kind: JoinConfiguration, controlPlane: {localAPIEndpoint: {bindPort: 7443}},
			nodeRegistration: {kubeletExtraArgs: {node-ip: 192.168.238.131}}, discovery: {bootstrapToken: {apiServerEndpoint: "192.168.238.100:4300"}, timeout: 5m}}`,
			kubeadm.Configuration{Host: "192.168.238.100", Port: 4300, BindPort: 7443, Join: true}},
		{"fields that v1beta4 has new", `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
controlPlaneEndpoint: 192.168.238.100:4300
apiServer: {extraArgs: [{name: v, value: "2"}], extraEnvs: [{name: A, value: b}]}
certificateValidityPeriod: 8760h0m0s
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
timeouts: {controlPlaneComponentHealthCheck: 4m0s}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: UpgradeConfiguration
`, kubeadm.Configuration{Host: "192.168.238.100", Port: 4300}},
		{"join by file", "{apiVersion: kubeadm.k8s.io/v1beta4, kind: JoinConfiguration, discovery: {file: {kubeConfigPath: /k}}}", kubeadm.Configuration{Join: true, Worker: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := kubeadm.Parse([]byte(tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Version = "v1beta4"
			if strings.Contains(tt.raw, "v1beta3") {
				tt.want.Version = "v1beta3"
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseKubeadm (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for raw, want := range map[string]string{
		"":                          "no kubeadm configuration",
		"apiVersion: v1\nkind: Pod": "no kubeadm configuration",
		"apiVersion: kubeadm.k8s.io/v1beta4\nkind: ResetConfiguration": "no kubeadm configuration",
		"a: [":       "yaml",
		"--- {a: b}": "document separator",
		"apiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\n":                                              `apiVersion: Unsupported value: "kubeadm.k8s.io/v1beta2"`,
		"apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n":                                              "controlPlaneEndpoint: Required value",
		"apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: 192.168.238.100:0\n":     "controlPlaneEndpoint: Invalid value",
		"apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: 192.168.238.100:https\n": "controlPlaneEndpoint: Invalid value",
		"apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nlocalAPIEndpoint: {bindPort: high}\n":             "bindPort",
	} {
		_, err := kubeadm.Parse([]byte(raw))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want %q in it", raw, err, want)
		}
	}
}

func TestComplete(t *testing.T) {
	east := kubeadm.Configuration{Host: "192.168.238.100", Port: 4300, BindPort: 7443, ClusterName: "east"}
	complete := v1alpha1.ControlPlane{Port: 4300, APIServerPort: 7443, ClusterName: "east"}
	tests := []struct {
		name string
		from kubeadm.Configuration
		cfg  v1alpha1.HarbingerConfiguration
		want v1alpha1.HarbingerConfiguration
		errs []string
	}{
		{
			name: "nothing given", from: east,
			want: v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.100"}, ControlPlane: complete},
		},
		{
			name: "the same given", from: east,
			cfg: v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"fd00::100/64", "192.168.238.100/24"},
				ControlPlane: v1alpha1.ControlPlane{Port: 4300, APIServerPort: 7443, ClusterName: "west"}},
			want: v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"fd00::100/64", "192.168.238.100/24"},
				ControlPlane: v1alpha1.ControlPlane{Port: 4300, APIServerPort: 7443, ClusterName: "west"}},
		},
		{
			name: "something else given", from: east,
			cfg: v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.101/24"},
				ControlPlane: v1alpha1.ControlPlane{Port: 6443, APIServerPort: 6443}},
			want: v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.101/24"},
				ControlPlane: v1alpha1.ControlPlane{Port: 6443, APIServerPort: 6443, ClusterName: "east"}},
			errs: []string{"virtualAddresses", "controlPlane.port", "controlPlane.apiServerPort"},
		},
		{
			name: "endpoint without a port", from: kubeadm.Configuration{Host: "192.168.238.100", BindPort: 7443},
			want: v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.100"},
				ControlPlane: v1alpha1.ControlPlane{Port: 7443, APIServerPort: 7443}},
		},
		{
			name: "endpoint without any port", from: kubeadm.Configuration{Host: "192.168.238.100"},
			cfg: v1alpha1.HarbingerConfiguration{ControlPlane: v1alpha1.ControlPlane{Port: 4300, APIServerPort: 7443}},
			want: v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.100"},
				ControlPlane: v1alpha1.ControlPlane{Port: 4300, APIServerPort: 7443}},
			errs: []string{"controlPlane.port", "controlPlane.apiServerPort"},
		},
		{
			name: "DNS name with a virtual address", from: kubeadm.Configuration{Host: "api.example.org", Port: 4300},
			cfg: v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.100/24"}},
			want: v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.100/24"},
				ControlPlane: v1alpha1.ControlPlane{Port: 4300}},
		},
		{
			name: "no endpoint", from: kubeadm.Configuration{Join: true},
			errs: []string{"virtualAddresses"},
		},
		{
			name: "DNS name", from: kubeadm.Configuration{Host: "api.example.org", Port: 4300},
			want: v1alpha1.HarbingerConfiguration{ControlPlane: v1alpha1.ControlPlane{Port: 4300}},
			errs: []string{"virtualAddresses"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var errs []string
			for _, err := range tt.from.Complete(&tt.cfg) {
				errs = append(errs, err.Field)
			}
			if diff := cmp.Diff(tt.errs, errs); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, tt.cfg); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
		})
	}
}
