// SPDX-License-Identifier: Apache-2.0

// Package convert makes configurations of Harbinger from those of kubeadm, keepalived and haproxy. It reads no files.
package convert

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

const kubeadmGroup = "kubeadm.k8s.io/"

// kubeadmVersions are the versions whose fields kubeadmDocument has; they agree in them.
var kubeadmVersions = []string{kubeadmGroup + "v1beta3", kubeadmGroup + "v1beta4"}

var kubeadmKinds = []string{"ClusterConfiguration", "InitConfiguration", "JoinConfiguration"}

// Kubeadm is what a kubeadm configuration says about a control plane. What it leaves open is zero.
type Kubeadm struct {
	// Host of the control plane endpoint: an address or a DNS name.
	Host string
	// Port of the control plane endpoint.
	Port int32
	// BindPort is the port of the apiservers.
	BindPort    int32
	ClusterName string
	// Join says that the configuration is for a node that joins.
	Join bool
}

// kubeadmDocument has the fields of interest of ClusterConfiguration, InitConfiguration and JoinConfiguration.
type kubeadmDocument struct {
	metav1.TypeMeta `json:",inline"`

	ControlPlaneEndpoint string           `json:"controlPlaneEndpoint"`
	ClusterName          string           `json:"clusterName"`
	LocalAPIEndpoint     localAPIEndpoint `json:"localAPIEndpoint"`
	ControlPlane         struct {
		LocalAPIEndpoint localAPIEndpoint `json:"localAPIEndpoint"`
	} `json:"controlPlane"`
	Discovery struct {
		BootstrapToken struct {
			APIServerEndpoint string `json:"apiServerEndpoint"`
		} `json:"bootstrapToken"`
	} `json:"discovery"`
}

type localAPIEndpoint struct {
	BindPort int32 `json:"bindPort"`
}

// ParseKubeadm reads the documents of a kubeadm configuration file. Documents of other programs in it are skipped.
func ParseKubeadm(raw []byte) (Kubeadm, error) {
	var k Kubeadm
	found := false
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
	for {
		chunk, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Kubeadm{}, err
		}
		var document kubeadmDocument
		if err := yaml.Unmarshal(chunk, &document); err != nil {
			return Kubeadm{}, err
		}
		if !strings.HasPrefix(document.APIVersion, kubeadmGroup) {
			continue
		}
		if !slices.Contains(kubeadmKinds, document.Kind) {
			continue // for kubeadm reset or upgrade
		}
		found = true
		if err := k.read(&document); err != nil {
			return Kubeadm{}, err
		}
	}
	if !found {
		return Kubeadm{}, errors.New("no kubeadm configuration: want a ClusterConfiguration, InitConfiguration or JoinConfiguration")
	}
	return k, nil
}

func (k *Kubeadm) read(document *kubeadmDocument) error {
	if !slices.Contains(kubeadmVersions, document.APIVersion) {
		return fmt.Errorf("apiVersion: Unsupported value: %q: supported values: %q", document.APIVersion, kubeadmVersions)
	}
	switch document.Kind {
	case "ClusterConfiguration":
		if document.ControlPlaneEndpoint == "" {
			return errors.New("controlPlaneEndpoint: Required value: without it kubeadm does not use the virtual address; set it to VIP:PORT")
		}
		k.ClusterName = document.ClusterName
		return k.readEndpoint("controlPlaneEndpoint", document.ControlPlaneEndpoint)
	case "InitConfiguration":
		k.BindPort = document.LocalAPIEndpoint.BindPort
	case "JoinConfiguration":
		k.Join = true
		k.BindPort = document.ControlPlane.LocalAPIEndpoint.BindPort
		if endpoint := document.Discovery.BootstrapToken.APIServerEndpoint; endpoint != "" {
			return k.readEndpoint("discovery.bootstrapToken.apiServerEndpoint", endpoint)
		}
	}
	return nil
}

// readEndpoint reads HOST or HOST:PORT.
func (k *Kubeadm) readEndpoint(path, endpoint string) error {
	host, port, err := net.SplitHostPort(endpoint)
	if err != nil {
		host, port = endpoint, ""
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%s: Invalid value: %q: the port must be 1 to 65535", path, endpoint)
		}
		k.Port = int32(n)
	}
	k.Host = host
	return nil
}

// Complete fills in what a configuration leaves open. Where both speak of the endpoint they must agree.
func (k Kubeadm) Complete(cfg *v1alpha1.HarbingerConfiguration) field.ErrorList {
	var errs field.ErrorList
	if vip, err := netip.ParseAddr(k.Host); err == nil {
		switch {
		case len(cfg.VirtualAddresses) == 0:
			cfg.VirtualAddresses = []string{vip.String()}
		case !slices.ContainsFunc(cfg.VirtualAddresses, func(s string) bool { return isAddress(s, vip) }):
			errs = append(errs, field.Invalid(field.NewPath("virtualAddresses"), cfg.VirtualAddresses,
				fmt.Sprintf("must have %s, the host of kubeadm's control plane endpoint", vip)))
		}
	}
	port := k.Port
	if port == 0 && k.Host != "" {
		port = k.BindPort // as kubeadm does
	}
	controlPlane := field.NewPath("controlPlane")
	errs = append(errs, agree(controlPlane.Child("port"), &cfg.ControlPlane.Port, port, "the port of kubeadm's control plane endpoint")...)
	errs = append(errs, agree(controlPlane.Child("apiServerPort"), &cfg.ControlPlane.APIServerPort, k.BindPort, "kubeadm's localAPIEndpoint.bindPort")...)
	if cfg.ControlPlane.ClusterName == "" {
		cfg.ControlPlane.ClusterName = k.ClusterName
	}
	return errs
}

// isAddress reports whether a virtual address, with or without a prefix length, is an address.
func isAddress(s string, addr netip.Addr) bool {
	host, _, _ := strings.Cut(s, "/")
	parsed, err := netip.ParseAddr(host)
	return err == nil && parsed == addr
}

func agree(path *field.Path, own *int32, kubeadm int32, meaning string) field.ErrorList {
	if *own == 0 {
		*own = kubeadm
	}
	if kubeadm == 0 || *own == kubeadm {
		return nil
	}
	return field.ErrorList{field.Invalid(path, *own, fmt.Sprintf("must be %d, %s", kubeadm, meaning))}
}
