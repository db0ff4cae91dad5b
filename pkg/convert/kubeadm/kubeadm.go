// SPDX-License-Identifier: Apache-2.0

// Package kubeadm reads kubeadm configurations.
package kubeadm

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
)

const group = "kubeadm.k8s.io/"

// versions are the versions whose fields document has; they agree in them.
var versions = []string{group + "v1beta3", group + "v1beta4"}

// The kinds that say something of the control plane.
const (
	clusterConfiguration = "ClusterConfiguration"
	initConfiguration    = "InitConfiguration"
	joinConfiguration    = "JoinConfiguration"
)

var kinds = []string{clusterConfiguration, initConfiguration, joinConfiguration}

// Configuration is what a kubeadm configuration says about a control plane. What it leaves open is zero.
type Configuration struct {
	// Host of the control plane endpoint: an address or a DNS name.
	Host string
	// Port of the control plane endpoint.
	Port int32
	// BindPort is the port of the apiservers.
	BindPort    int32
	ClusterName string
	// Join says that the configuration is for a node that joins.
	Join bool
	// Worker says that the node that joins will be a worker.
	Worker bool
	// Version of the documents, such as v1beta4.
	Version string
}

// document has the fields of interest of ClusterConfiguration, InitConfiguration and JoinConfiguration.
type document struct {
	metav1.TypeMeta `json:",inline"`

	ControlPlaneEndpoint string           `json:"controlPlaneEndpoint"`
	ClusterName          string           `json:"clusterName"`
	LocalAPIEndpoint     localAPIEndpoint `json:"localAPIEndpoint"`
	ControlPlane         *struct {
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

// Parse reads the documents of a kubeadm configuration file. Documents of other programs in it are skipped.
func Parse(raw []byte) (Configuration, error) {
	k, err := parse(raw)
	if err == nil {
		return k, nil
	}
	if line, found := convert.Template(raw); line > 0 && !errors.Is(err, errTemplate) {
		err = fmt.Errorf("line %d has %q, %w: give the file that kubeadm gets (%w)", line, found, errTemplate, err)
	}
	return Configuration{}, err
}

func parse(raw []byte) (Configuration, error) {
	var documents []document
	seen := map[string]bool{} // kinds
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
	for {
		chunk, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Configuration{}, err
		}
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal(chunk, &meta); err != nil {
			return Configuration{}, err
		}
		if meta.Kind != "" && seen[meta.Kind] {
			return Configuration{}, fmt.Errorf("two documents of kind %s in one file, which kubeadm refuses: leave the one in that counts", meta.Kind)
		}
		seen[meta.Kind] = true
		if meta.APIVersion == "" && slices.Contains(kinds, meta.Kind) {
			return Configuration{}, fmt.Errorf("%s: apiVersion: Required value: supported values: %q", meta.Kind, versions)
		}
		if !strings.HasPrefix(meta.APIVersion, group) || !slices.Contains(kinds, meta.Kind) {
			continue // another program's, or for kubeadm reset or upgrade
		}
		d, err := decode(meta, chunk)
		if err != nil {
			return Configuration{}, err
		}
		documents = append(documents, d)
	}
	switch {
	case !seen[clusterConfiguration] && seen[initConfiguration]:
		return Configuration{}, fmt.Errorf("there is an %s without a %s, where kubeadm looks for the endpoint: %w", initConfiguration, clusterConfiguration, errNoEndpoint)
	case !seen[clusterConfiguration] && !seen[joinConfiguration]:
		return Configuration{}, errors.New("no kubeadm configuration: want a ClusterConfiguration, InitConfiguration or JoinConfiguration")
	}
	slices.SortFunc(documents, func(a, b document) int { return cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)) })
	k := Configuration{Join: !seen[clusterConfiguration]}
	for _, d := range documents {
		if err := k.read(&d); err != nil {
			return Configuration{}, err
		}
	}
	k.Worker = k.Worker && k.Join
	return k, nil
}

var errTemplate = errors.New("a template that was not filled in")

var errNoEndpoint = errors.New("controlPlaneEndpoint: Required value: without it kubeadm does not use the virtual address; " +
	"set it to VIP:PORT in a ClusterConfiguration")

// decode reads a document as kubeadm does: a field in other letters, or one that is there twice, is not the field.
func decode(meta metav1.TypeMeta, chunk []byte) (d document, err error) {
	if found := convert.Placeholder(meta.APIVersion); found != "" {
		return d, fmt.Errorf("apiVersion: %q is %w", found, errTemplate)
	}
	if !slices.Contains(versions, meta.APIVersion) {
		return d, unsupported(meta.APIVersion)
	}
	content, err := yaml.YAMLToJSONStrict(chunk)
	if err == nil {
		err = json.Unmarshal(content, &d)
	}
	if err != nil {
		return d, fmt.Errorf("%s: %w", meta.Kind, err)
	}
	return d, nil
}

// unsupported says how to get a version that the package knows.
func unsupported(version string) error {
	err := fmt.Errorf("apiVersion: Unsupported value: %q: supported values: %q", version, versions)
	if old.MatchString(version) {
		return fmt.Errorf("%w: with a kubeadm that still knows it (v1.26 for v1beta2) run kubeadm config migrate --old-config FILE --new-config NEW", err)
	}
	return err
}

// old are the versions from before those that the package knows.
var old = regexp.MustCompile(`^` + group + `v1(alpha\d|beta[12])$`)

func (k *Configuration) read(d *document) error {
	k.Version = strings.TrimPrefix(d.APIVersion, group)
	switch d.Kind {
	case clusterConfiguration:
		if d.ControlPlaneEndpoint == "" {
			return errNoEndpoint
		}
		if found := convert.Placeholder(d.ClusterName); found != "" {
			return fmt.Errorf("clusterName: Invalid value: %q: %q is %w", d.ClusterName, found, errTemplate)
		}
		k.ClusterName = d.ClusterName
		return k.readEndpoint("controlPlaneEndpoint", d.ControlPlaneEndpoint)
	case initConfiguration:
		return k.readBindPort("localAPIEndpoint.bindPort", d.LocalAPIEndpoint)
	case joinConfiguration:
		return k.readJoin(d)
	}
	return nil
}

func (k *Configuration) readJoin(d *document) error {
	k.Worker = d.ControlPlane == nil
	if d.ControlPlane != nil {
		if err := k.readBindPort("controlPlane.localAPIEndpoint.bindPort", d.ControlPlane.LocalAPIEndpoint); err != nil {
			return err
		}
	}
	const path = "discovery.bootstrapToken.apiServerEndpoint"
	endpoint := d.Discovery.BootstrapToken.APIServerEndpoint
	if endpoint == "" {
		return nil
	}
	join := Configuration{Host: k.Host, Port: k.Port}
	if k.Host != "" && k.Port == 0 {
		join.Port = cmp.Or(k.BindPort, v1alpha1.DefaultAPIServerPort)
	}
	if err := join.readEndpoint(path, endpoint); err != nil {
		return err
	}
	if join.Port == 0 {
		return fmt.Errorf("%s: Invalid value: %q: kubeadm join wants HOST:PORT", path, endpoint)
	}
	k.Host, k.Port = join.Host, join.Port
	return nil
}

// readBindPort reads the port of the apiservers, of which there is one for all nodes.
func (k *Configuration) readBindPort(path string, endpoint localAPIEndpoint) error {
	switch port := endpoint.BindPort; {
	case port < 0 || port > 65535:
		return fmt.Errorf("%s: Invalid value: %d: the port must be 1 to 65535", path, port)
	case port != 0 && k.BindPort != 0 && port != k.BindPort:
		return fmt.Errorf("%s: Invalid value: %d: another document of the file has %d, and the pod is the same on every node", path, port, k.BindPort)
	case port != 0:
		k.BindPort = port
	}
	return nil
}

// Complete fills in what a configuration leaves open. Where both speak of the endpoint they must agree.
func (k Configuration) Complete(cfg *v1alpha1.HarbingerConfiguration) field.ErrorList {
	var errs field.ErrorList
	if len(cfg.VirtualAddresses) == 0 {
		errs = append(errs, k.missing()...)
	}
	if vip, err := netip.ParseAddr(k.Host); err == nil {
		switch {
		case len(cfg.VirtualAddresses) == 0:
			cfg.VirtualAddresses = []string{vip.String()}
		case !slices.ContainsFunc(cfg.VirtualAddresses, func(s string) bool { return isAddress(s, vip) }):
			detail := fmt.Sprintf("must have %s, the host of kubeadm's control plane endpoint", vip)
			if hint := k.bracketHint(); hint != "" {
				detail += ": " + hint
			}
			errs = append(errs, field.Invalid(field.NewPath("virtualAddresses"), cfg.VirtualAddresses, detail))
		}
	}
	port := k.Port
	if port == 0 && k.Host != "" {
		port = cmp.Or(k.BindPort, v1alpha1.DefaultAPIServerPort) // as kubeadm does
	}
	controlPlane := field.NewPath("controlPlane")
	errs = append(errs, agree(controlPlane.Child("port"), &cfg.ControlPlane.Port, port, "the port of kubeadm's control plane endpoint")...)
	bindPort := k.BindPort
	if bindPort == 0 && cfg.ControlPlane.APIServerPort != 0 {
		bindPort = v1alpha1.DefaultAPIServerPort
	}
	errs = append(errs, agree(controlPlane.Child("apiServerPort"), &cfg.ControlPlane.APIServerPort, bindPort, "kubeadm's localAPIEndpoint.bindPort")...)
	if cfg.ControlPlane.ClusterName == "" {
		cfg.ControlPlane.ClusterName = k.ClusterName
	}
	return errs
}

// missing says where the virtual address comes from that neither the endpoint nor anything else gives.
func (k Configuration) missing() field.ErrorList {
	path := field.NewPath("virtualAddresses")
	switch name := k.name(); {
	case name != "":
		return field.ErrorList{field.Required(path, fmt.Sprintf("kubeadm's control plane endpoint %s is a name: give the address that it resolves to with --vip", name))}
	case k.Host == "":
		return field.ErrorList{field.Required(path, "kubeadm's configuration names no control plane endpoint: give its address with --vip")}
	}
	return nil
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
