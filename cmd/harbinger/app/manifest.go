// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
	"github.com/harbinger-ha/harbinger/pkg/manifest"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
	"github.com/harbinger-ha/harbinger/pkg/staticpod"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

const manifestLong = `Write the static pod that gives this control plane its virtual IP and its load balancer.

Run it before kubeadm init, and with the same flags before each kubeadm join. The pod finds out at run time what differs from
node to node. A flag overrides the file of --config, and that file overrides the defaults. The file of --kubeadm-config
completes what neither sets; its endpoint must agree with them.

If anything is wrong, the command names every fault and writes nothing. The same configuration always gives the same bytes.`

// manifestOptions are the flags of the command.
type manifestOptions struct {
	vips, peers, backends                    []string
	iface, mode, policy, clusterName         string
	port, apiServerPort, version, vrid, prio int32
	interval, preemptDelay                   time.Duration
	noPreempt                                bool
	authPassFile                             string

	image                    string
	config, kubeadmConfig    string
	configFile, noHostChecks bool
	output                   string
	dryRun                   bool
}

func newManifestCommand(s streams) *cobra.Command {
	var o manifestOptions
	cmd := &cobra.Command{
		Use:   "manifest",
		Short: "Write the static pod before kubeadm init or join",
		Long:  manifestLong,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), s, cmd.Flags().Changed)
		},
	}
	o.addConfigurationFlags(cmd.Flags())
	o.addFileFlags(cmd.Flags())
	return cmd
}

func (o *manifestOptions) addConfigurationFlags(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.StringArrayVar(&o.vips, "vip", nil, "virtual address with the prefix length of its subnet, such as 192.168.238.100/24; give one for each family for dual stack")
	flags.StringVar(&o.iface, "interface", "", "interface that carries the virtual address (default: the one whose subnet contains it)")
	flags.Int32Var(&o.port, "port", v1alpha1.DefaultPort, "port that clients use on the virtual address")
	flags.Int32Var(&o.apiServerPort, "apiserver-port", v1alpha1.DefaultAPIServerPort, "port that the apiservers listen on")
	flags.StringVar(&o.clusterName, "cluster-name", v1alpha1.DefaultClusterName, "clusterName of kubeadm's ClusterConfiguration, the same on all nodes (a JoinConfiguration does not contain it)")
	flags.StringArrayVar(&o.peers, "peer", nil, "address of a node, once for each node including this one; advertisements are then unicast (default: multicast)")
	flags.StringArrayVar(&o.backends, "backend", nil, "address and port of an apiserver, once for each (default: the apiserver of this node)")
	flags.Int32Var(&o.vrid, "virtual-router-id", v1alpha1.DefaultVirtualRouterID, "VRRP virtual router ID, 1 to 255, used by nothing else on the network segment")
	flags.Int32Var(&o.prio, "priority", v1alpha1.DefaultPriority, "VRRP priority; the highest becomes the holder")
	flags.Int32Var(&o.version, "vrrp-version", v1alpha1.DefaultVRRPVersion, "VRRP version, 2 or 3")
	flags.DurationVar(&o.interval, "advertisement-interval", v1alpha1.DefaultAdvertisementInterval, "time between two advertisements of the holder, such as 100ms")
	flags.BoolVar(&o.noPreempt, "nopreempt", false, "do not take the virtual address from a healthy holder of lower priority")
	flags.DurationVar(&o.preemptDelay, "preempt-delay", 0, "how long a node waits after its start before it preempts")
	flags.StringVar(&o.authPassFile, "auth-pass-file", "", "file with the password of VRRP version 2 (keepalived's auth_type PASS); one outside of "+config.Directory+" is copied to "+config.PasswordFile+", where the pod reads it")
	flags.StringVar(&o.mode, "election-mode", strings.ToLower(v1alpha1.DefaultElectionMode), "who decides: hybrid (VRRP, and a Lease once the API answers), vrrp or lease")
	flags.StringVar(&o.policy, "policy", v1alpha1.DefaultPolicy, "how the balancer chooses a backend: RoundRobin, LeastConnections or SourceHash")
}

func (o *manifestOptions) addFileFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.image, "image", manifest.DefaultImage, "image of the pod, by tag or digest")
	flags.StringVar(&o.kubeadmConfig, "kubeadm-config", "", "kubeadm configuration file that names the endpoint, the ports and the cluster (- for stdin)")
	flags.StringVar(&o.config, "config", "", "configuration file (- for stdin)")
	flags.BoolVar(&o.configFile, "config-file", false, "write the configuration to "+config.File+", which the pod then reads and follows, instead of into the pod")
	flags.BoolVar(&o.noHostChecks, "no-host-checks", false, "do not check the interfaces, addresses and ports of this host: the pod is for another one")
	flags.StringVarP(&o.output, "output", "o", manifest.DefaultPath, "file to write, - for stdout")
	flags.BoolVar(&o.dryRun, "dry-run", false, "check everything and print what would be written, but write nothing")
}

func (o *manifestOptions) run(ctx context.Context, s streams, changed func(string) bool) error {
	cfg, kubeadm, err := o.configuration(s, changed)
	if err != nil {
		return usageError(err)
	}
	if !o.noHostChecks {
		if err := checkHost(ctx, s, cfg); err != nil {
			return err
		}
	}
	files, err := o.render(cfg)
	if err != nil {
		return err
	}
	if !o.dryRun || !o.noHostChecks {
		if err := checkOutputs(files); err != nil {
			return err
		}
	}
	if o.dryRun || o.output == "-" {
		return show(s, files)
	}
	if err := write(s, files); err != nil {
		return err
	}
	return o.printNextSteps(s, cfg, kubeadm)
}

// configuration puts the flags, the file and kubeadm's configuration together.
func (o *manifestOptions) configuration(s streams, changed func(string) bool) (*config.HarbingerConfiguration, convert.Kubeadm, error) {
	var kubeadm convert.Kubeadm
	versioned := &v1alpha1.HarbingerConfiguration{}
	if o.config == "-" && o.kubeadmConfig == "-" {
		return nil, kubeadm, errors.New("--config and --kubeadm-config: only one of them can be read from stdin")
	}
	if o.config != "" {
		raw, err := readFile(s, o.config)
		if err != nil {
			return nil, kubeadm, fmt.Errorf("--config: %w", err)
		}
		if versioned, err = scheme.DecodeVersioned(raw); err != nil {
			return nil, kubeadm, err
		}
	}
	errs := []error{o.override(versioned, changed), checkImage(o.image)}
	if o.kubeadmConfig != "" {
		raw, err := readFile(s, o.kubeadmConfig)
		if err != nil {
			return nil, kubeadm, fmt.Errorf("--kubeadm-config: %w", err)
		}
		if kubeadm, err = convert.ParseKubeadm(raw); err != nil {
			return nil, kubeadm, fmt.Errorf("--kubeadm-config: %w", err)
		}
		for _, err := range kubeadm.Complete(versioned) {
			errs = append(errs, err)
		}
	}
	cfg, err := scheme.Complete(versioned)
	return cfg, kubeadm, errors.Join(append(errs, err)...)
}

// override puts the flags that were given over a configuration.
func (o *manifestOptions) override(cfg *v1alpha1.HarbingerConfiguration, changed func(string) bool) error {
	v := &cfg.Election.VRRP
	override(changed("vip"), &cfg.VirtualAddresses, split(o.vips))
	override(changed("interface"), &cfg.Interface, o.iface)
	override(changed("port"), &cfg.ControlPlane.Port, o.port)
	override(changed("apiserver-port"), &cfg.ControlPlane.APIServerPort, o.apiServerPort)
	override(changed("cluster-name"), &cfg.ControlPlane.ClusterName, o.clusterName)
	override(changed("peer"), &v.Peers, split(o.peers))
	override(changed("backend"), &cfg.LoadBalancer.Backends, backends(split(o.backends)))
	override(changed("virtual-router-id"), &v.VirtualRouterID, &o.vrid)
	override(changed("priority"), &v.Priority, &o.prio)
	override(changed("vrrp-version"), &v.Version, o.version)
	override(changed("advertisement-interval"), &v.AdvertisementInterval, metav1.Duration{Duration: o.interval})
	override(changed("nopreempt"), &v.Preempt, new(!o.noPreempt))
	override(changed("preempt-delay"), &v.PreemptDelay, metav1.Duration{Duration: o.preemptDelay})
	override(changed("election-mode"), &cfg.Election.Mode, canonical(o.mode, election.Hybrid, election.VRRP, election.LeaseOnly))
	override(changed("policy"), &cfg.LoadBalancer.Policy, canonical(o.policy, balance.RoundRobin, balance.LeastConnections, balance.SourceHash))
	errs := []error{o.refuseZero(changed)}
	if o.authPassFile != "" {
		var err error
		v.Authentication, err = authentication(o.authPassFile)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// authentication names the file of a password where the pod sees it, and has the content of one elsewhere, which is then written
// to a file that the pod sees.
func authentication(file string) (v1alpha1.Authentication, error) {
	a := v1alpha1.Authentication{Type: string(vrrp.AuthenticationPassword)}
	if path, err := filepath.Abs(file); err == nil && filepath.Dir(path) == config.Directory {
		a.PasswordFile = path
		return a, nil
	}
	content, err := hostfile.Read(file)
	if err != nil {
		return a, fmt.Errorf("--auth-pass-file: %w", err)
	}
	if a.Password, err = config.ParsePassword(content); err != nil {
		return a, fmt.Errorf("--auth-pass-file: %s: %w", file, err)
	}
	return a, nil
}

// refuseZero refuses the zeros that a configuration would take for "the default".
func (o *manifestOptions) refuseZero(changed func(string) bool) error {
	var errs []error
	for _, flag := range []struct {
		name string
		zero bool
	}{
		{"port", o.port == 0},
		{"apiserver-port", o.apiServerPort == 0},
		{"vrrp-version", o.version == 0},
		{"advertisement-interval", o.interval == 0},
	} {
		if flag.zero && changed(flag.name) {
			errs = append(errs, fmt.Errorf("--%s: 0 is not allowed: leave the flag out for the default", flag.name))
		}
	}
	return errors.Join(errs...)
}

func override[T any](given bool, field *T, value T) {
	if given {
		*field = value
	}
}

// split takes lists apart that were given in one flag. An empty element stays, to be refused.
func split(values []string) []string {
	var out []string
	for _, value := range values {
		out = append(out, strings.Split(value, ",")...)
	}
	return out
}

func backends(addresses []string) []v1alpha1.Backend {
	var out []v1alpha1.Backend
	for _, address := range addresses {
		out = append(out, v1alpha1.Backend{Address: address})
	}
	return out
}

// canonical returns the known spelling of a value whose case does not matter on the command line.
func canonical[T ~string](value string, known ...T) string {
	for _, k := range known {
		if strings.EqualFold(value, string(k)) {
			return string(k)
		}
	}
	return value
}

func checkImage(image string) error {
	if err := manifest.CheckImage(image); err != nil {
		return fmt.Errorf("--image: %w", err)
	}
	return nil
}

func checkHost(ctx context.Context, s streams, cfg *config.HarbingerConfiguration) error {
	facts, err := preflight.Gather(ctx, cfg)
	if err != nil {
		return fmt.Errorf("this host cannot be checked: %w (use --no-host-checks to write the pod for another host)", err)
	}
	warn(s, preflight.Warnings(cfg, facts))
	var errs []error
	for _, err := range preflight.Check(cfg, facts) {
		errs = append(errs, err)
	}
	return usageError(errors.Join(errs...))
}

// file is one that the command writes.
type file struct {
	path    string
	content []byte
	secret  bool // is never shown
}

// render returns the files in the order in which they must be there.
func (o *manifestOptions) render(cfg *config.HarbingerConfiguration) ([]file, error) {
	var files []file
	cfg, password := cfg.WithPasswordFile(config.PasswordFile)
	if password != "" {
		files = append(files, file{path: config.PasswordFile, content: []byte(password + "\n"), secret: true})
	}
	if o.configFile {
		document, err := scheme.EncodeMinimal(cfg)
		if err != nil {
			return nil, err
		}
		files = append(files, file{path: config.File, content: document})
	}
	pod, err := manifest.Render(cfg, manifest.Options{Image: o.image, ConfigFile: o.configFile})
	if err != nil {
		return nil, err
	}
	return append(files, file{path: o.output, content: pod}), nil
}

// show prints the files as documents of one stream.
func show(s streams, files []file) error {
	var documents [][]byte
	for _, f := range files {
		if f.secret {
			fmt.Fprintln(s.err, passwordNote)
			continue
		}
		if f.path != "-" {
			fmt.Fprintln(s.err, "Would write", f.path)
		}
		documents = append(documents, f.content)
	}
	_, err := s.out.Write(bytes.Join(documents, []byte("---\n")))
	return err
}

// passwordNote says where the pod looks for a password that was not written.
const passwordNote = "The pod reads the password from " + config.PasswordFile + ": write it there on the node, for root alone (mode 0600)."

// own reports whether a file is in the directory of the configuration, which is Harbinger's own and is made where it is missing.
// That of the manifest is the kubelet's.
func (f file) own() bool { return filepath.Dir(f.path) == config.Directory }

// checkOutputs finds what would keep a file from being written, before the first is.
func checkOutputs(files []file) error {
	var errs []error
	for _, f := range files {
		if _, err := os.Stat(config.Directory); f.path == "-" || f.own() && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		errs = append(errs, staticpod.Check(f.path))
	}
	return errors.Join(errs...)
}

func write(s streams, files []file) error {
	for _, f := range files {
		if f.own() {
			if err := os.MkdirAll(config.Directory, 0o755); err != nil {
				return err
			}
		}
		if err := staticpod.Write(f.path, f.content); err != nil {
			return err
		}
		if f.secret {
			fmt.Fprintf(s.err, "Wrote %s with the password, which the pod reads from there\n", f.path)
		}
	}
	return nil
}
