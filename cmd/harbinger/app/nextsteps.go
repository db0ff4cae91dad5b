// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"net/netip"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// printNextSteps says what makes a cluster of the file just written.
func (o *manifestOptions) printNextSteps(s streams, cfg *config.HarbingerConfiguration, kubeadm convert.Kubeadm) error {
	_, err := fmt.Fprintf(s.err, `Wrote %s
Next:
  %s
Then run on each other control-plane node the same harbinger manifest command, and the kubeadm join --control-plane
command that kubeadm init has printed. harbinger status shows who holds %s.
%s`, o.output, o.kubeadmCommand(cfg, kubeadm), cfg.VirtualAddresses[0].Addr(), clusterNameNote(cfg, kubeadm))
	return err
}

// clusterNameNote warns where the name of the cluster is a guess: nodes with different names do not accept each other as peers.
func clusterNameNote(cfg *config.HarbingerConfiguration, kubeadm convert.Kubeadm) string {
	if !kubeadm.Join || cfg.ControlPlane.ClusterName != v1alpha1.DefaultClusterName {
		return ""
	}
	return fmt.Sprintf("The cluster name is assumed to be %q, because a JoinConfiguration does not contain it. If the ClusterConfiguration has\n"+
		"another clusterName, run this again with --cluster-name: nodes with different names do not accept each other as peers.\n", v1alpha1.DefaultClusterName)
}

// kubeadmCommand returns the kubeadm command that fits a configuration.
func (o *manifestOptions) kubeadmCommand(cfg *config.HarbingerConfiguration, kubeadm convert.Kubeadm) string {
	switch {
	case kubeadm.Join:
		return "kubeadm join --config " + o.kubeadmConfig
	case o.kubeadmConfig != "":
		return "kubeadm init --config " + o.kubeadmConfig + " --upload-certs"
	}
	command := fmt.Sprintf("kubeadm init --control-plane-endpoint %s --upload-certs",
		netip.AddrPortFrom(cfg.VirtualAddresses[0].Addr(), cfg.ControlPlane.Port))
	if port := cfg.ControlPlane.APIServerPort; port != v1alpha1.DefaultAPIServerPort {
		command += fmt.Sprintf(" --apiserver-bind-port %d", port)
	}
	return command
}
