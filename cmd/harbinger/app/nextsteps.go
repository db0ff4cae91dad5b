// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert/kubeadm"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
)

// kubeletKubeconfig is there once a node has joined a cluster, and the administrator's once it has a control plane.
const kubeletKubeconfig = "/etc/kubernetes/kubelet.conf"

// printNextSteps says what makes a cluster of the files just written, or of the cluster that there is.
func (o *manifestOptions) printNextSteps(s streams, cfg *config.HarbingerConfiguration, given kubeadm.Configuration) error {
	var out strings.Builder
	switch {
	case exists(defaultAdminKubeconfig):
		o.stepsInCluster(&out, cfg)
	case exists(kubeletKubeconfig):
		fmt.Fprintf(&out, "This node is in a cluster, but not of its control plane: there is %s, and no %s. Harbinger belongs on\n"+
			"the hosts of the control plane. To make it one of them: kubeadm reset, then this command and kubeadm join --control-plane.\n",
			kubeletKubeconfig, defaultAdminKubeconfig)
	case given.Join:
		fmt.Fprintf(&out, "Next:\n  %s\n%s%s", o.kubeadmCommand(cfg, given), credentialsStep(cfg), o.versionNote(given))
		out.WriteString(clusterNameNote(cfg, given))
	default:
		fmt.Fprintf(&out, "Next:\n  %s\n%s%s", o.kubeadmCommand(cfg, given), credentialsStep(cfg), o.versionNote(given))
		fmt.Fprintf(&out, "Then run on each other control-plane node the same harbinger manifest command, and with the values that kubeadm init prints:\n"+
			"  kubeadm join %s --token … --discovery-token-ca-cert-hash … --control-plane --certificate-key …%s\n%s",
			endpoint(cfg), bindPort(cfg), credentialsStep(cfg))
	}
	fmt.Fprintf(&out, "harbinger status shows who holds %s.\n", cfg.VirtualAddresses[0].Addr())
	_, err := fmt.Fprint(s.err, out.String())
	return err
}

// stepsInCluster says what is left to do on a node whose control plane runs.
func (o *manifestOptions) stepsInCluster(out *strings.Builder, cfg *config.HarbingerConfiguration) {
	fmt.Fprintf(out, "This node is in a cluster already (there is %s): kubeadm is not run again. The kubelet starts the pod within\n"+
		"20 s. Run the same harbinger manifest command on each other control-plane node.\n%s", defaultAdminKubeconfig, credentialsStep(cfg))
	server := clusterEndpoint(defaultAdminKubeconfig)
	host, _ := netip.ParseAddrPort(server)
	switch {
	case server == "" || server == endpoint(cfg):
	case !host.IsValid():
		fmt.Fprintf(out, "The clients of this cluster use %s: its name must resolve to %s, its port be %d.\n", server, cfg.VirtualAddresses[0].Addr(), cfg.ControlPlane.Port)
	default:
		fmt.Fprintf(out, "The clients of this cluster use %s, not %s. Before they can use the virtual address: add it to\n"+
			"apiServer.certSANs and controlPlaneEndpoint of kubeadm's ClusterConfiguration, make the certificates of the apiservers\n"+
			"anew, and change the server of the kubeconfigs.\n", server, endpoint(cfg))
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// clusterEndpoint returns where the clients of a kubeconfig find the cluster: HOST:PORT, or nothing where it does not say.
func clusterEndpoint(kubeconfig string) string {
	raw, err := hostfile.Read(kubeconfig)
	if err != nil {
		return ""
	}
	var file struct {
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
			} `json:"cluster"`
		} `json:"clusters"`
	}
	if err := yaml.Unmarshal(raw, &file); err != nil || len(file.Clusters) == 0 {
		return ""
	}
	server, err := url.Parse(file.Clusters[0].Cluster.Server)
	if err != nil {
		return ""
	}
	return server.Host
}

// endpoint is where clients find the control plane.
func endpoint(cfg *config.HarbingerConfiguration) string {
	return netip.AddrPortFrom(cfg.VirtualAddresses[0].Addr(), cfg.ControlPlane.Port).String()
}

// credentialsStep is the command that lets the Lease decide, where it may.
func credentialsStep(cfg *config.HarbingerConfiguration) string {
	if cfg.Election.Mode == election.VRRP && !cfg.LoadBalancer.Discovery {
		return ""
	}
	return "  harbinger kubeconfig\n"
}

// versionNote says which kubeadm reads the file.
func (o *manifestOptions) versionNote(given kubeadm.Configuration) string {
	switch given.Version {
	case "v1beta3":
		return fmt.Sprintf("  (its version v1beta3 is deprecated since kubeadm 1.31: kubeadm config migrate --old-config %s --new-config NEW makes v1beta4 of it)\n", o.kubeadmFile())
	case "v1beta4":
		return "  (its version v1beta4 needs kubeadm 1.31 or later)\n"
	}
	return ""
}

// kubeadmFile is the file of kubeadm for its own command, which does not read it from stdin.
func (o *manifestOptions) kubeadmFile() string {
	if o.kubeadmConfig == "-" {
		return "FILE"
	}
	return o.kubeadmConfig
}

// clusterNameNote warns where the name of the cluster is a guess: nodes with different names do not accept each other as peers.
func clusterNameNote(cfg *config.HarbingerConfiguration, given kubeadm.Configuration) string {
	if !given.Join || cfg.ControlPlane.ClusterName != v1alpha1.DefaultClusterName {
		return ""
	}
	return fmt.Sprintf("The cluster name is assumed to be %q, because a JoinConfiguration does not contain it. If the ClusterConfiguration has\n"+
		"another clusterName, run this again with --cluster-name: nodes with different names do not accept each other as peers.\n", v1alpha1.DefaultClusterName)
}

// kubeadmCommand returns the kubeadm command that fits a configuration.
func (o *manifestOptions) kubeadmCommand(cfg *config.HarbingerConfiguration, given kubeadm.Configuration) string {
	file := o.kubeadmFile()
	switch {
	case given.Join:
		return "kubeadm join --config " + file
	case file != "":
		return "kubeadm init --config " + file + " --upload-certs"
	}
	return kubeadmInit(cfg)
}

// kubeadmInit is the command that makes a cluster without a file of kubeadm's.
func kubeadmInit(cfg *config.HarbingerConfiguration) string {
	return fmt.Sprintf("kubeadm init --control-plane-endpoint %s --upload-certs%s", endpoint(cfg), bindPort(cfg))
}

// bindPort is the flag for apiservers that listen on another port than kubeadm's default.
func bindPort(cfg *config.HarbingerConfiguration) string {
	if port := cfg.ControlPlane.APIServerPort; port != v1alpha1.DefaultAPIServerPort {
		return fmt.Sprintf(" --apiserver-bind-port %d", port)
	}
	return ""
}
