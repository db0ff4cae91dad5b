// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/convert/kubeadm"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
	"github.com/harbinger-ha/harbinger/pkg/manifest"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
	"github.com/harbinger-ha/harbinger/pkg/preflight/wire"
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
	predecessor                              string
	port, apiServerPort, version, vrid, prio int32
	minimumTTL                               int32
	interval, preemptDelay                   time.Duration
	noPreempt                                bool
	authPassFile                             string
	metrics                                  metricsOptions

	image                    string
	config, kubeadmConfig    string
	configFile, noHostChecks bool
	ignored                  []string // checks of this host
	onWire                   wireOptions
	output                   string
	dryRun                   bool
}

// The flag of this command and of kubeconfig.
const (
	predecessorExample = "kube-system/plndr-cp-lock"
	predecessorUsage   = "Lease of the kube-vip that has the virtual address until Harbinger takes it over, such as " + predecessorExample
)

const manifestExample = `  # one address, multicast, the apiserver of each node behind its balancer
  harbinger manifest --vip 192.168.238.100/24

  # unicast between three nodes, a port of its own, their apiservers as backends
  harbinger manifest --vip 192.168.238.100/24 --port 4300 \
    --peer 192.168.238.130,192.168.238.131,192.168.238.132 \
    --backend 192.168.238.130:6443,192.168.238.131:6443,192.168.238.132:6443

  # show what would be written, for another host
  harbinger manifest --vip 192.168.238.100/24 --no-host-checks --dry-run`

func newManifestCommand(s streams) *cobra.Command {
	var o manifestOptions
	cmd := &cobra.Command{
		Use:     "manifest",
		Short:   "Write the static pod before kubeadm init or join",
		Long:    manifestLong,
		Example: manifestExample,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), s, cmd.Flags().Changed)
		},
	}
	cmd.Flags().SortFlags = false
	o.addAddressFlags(cmd)
	o.addElectionFlags(cmd)
	o.addBalancerFlags(cmd)
	o.addFileFlags(cmd)
	return cmd
}

func (o *manifestOptions) addAddressFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&o.vips, "vip", nil, "virtual address with the prefix length of its subnet, such as 192.168.238.100/24; give one for each family for dual stack")
	flags.StringVar(&o.iface, "interface", "", "interface that carries the virtual address (default: the one whose subnet contains it)")
	flags.Int32Var(&o.port, "port", v1alpha1.DefaultPort, "port that clients use on the virtual address")
	flags.Int32Var(&o.apiServerPort, "apiserver-port", v1alpha1.DefaultAPIServerPort, "port that the apiservers listen on")
	flags.StringVar(&o.clusterName, "cluster-name", v1alpha1.DefaultClusterName, "clusterName of kubeadm's ClusterConfiguration, the same on all nodes (a JoinConfiguration does not contain it)")
	under(flags, "Virtual address")
	complete(cmd, freely, "vip", "cluster-name")
	complete(cmd, interfaces, "interface")
}

func (o *manifestOptions) addElectionFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	addChoice(cmd, &o.mode, "election-mode", "", strings.ToLower(v1alpha1.DefaultElectionMode), "who decides: hybrid (VRRP, and a Lease once the API answers), vrrp or lease",
		lower(election.Hybrid, election.VRRP, election.LeaseOnly)...)
	flags.StringArrayVar(&o.peers, "peer", nil, "address of a node, once for each node including this one; advertisements are then unicast (default: multicast)")
	flags.Int32Var(&o.prio, "priority", v1alpha1.DefaultPriority, "VRRP priority; the highest becomes the holder")
	flags.Int32Var(&o.vrid, "virtual-router-id", v1alpha1.DefaultVirtualRouterID, "VRRP virtual router ID, 1 to 255, used by nothing else on the network segment")
	flags.DurationVar(&o.interval, "advertisement-interval", v1alpha1.DefaultAdvertisementInterval, "time between two advertisements of the holder; with --vrrp-version 2, whole seconds, the default is 1s")
	flags.BoolVar(&o.noPreempt, "nopreempt", false, "do not take the virtual address from a healthy holder of lower priority")
	flags.DurationVar(&o.preemptDelay, "preempt-delay", 0, "how long a node waits after its start before it preempts")
	flags.StringVar(&o.predecessor, "predecessor", "", predecessorUsage)
	under(flags, "Election")
	flags.Int32Var(&o.version, "vrrp-version", v1alpha1.DefaultVRRPVersion, "VRRP version, 2 or 3")
	flags.StringVar(&o.authPassFile, "auth-pass-file", "", "file with the password of VRRP version 2 (keepalived's auth_type PASS); one outside of "+config.Directory+" is copied to "+config.PasswordFile+", where the pod reads it")
	flags.Int32Var(&o.minimumTTL, "minimum-ttl", v1alpha1.DefaultMinimumTTL, "least TTL or hop limit that advertisements of the peers may arrive with: 255 less the routers between them, or 64 for keepalived over IPv6")
	under(flags, "Election together with other programs")
	complete(cmd, freely, "peer")
	complete(cmd, examples("2", "3"), "vrrp-version")
	complete(cmd, anyFile, "auth-pass-file")
	complete(cmd, examples(predecessorExample), "predecessor")
}

func (o *manifestOptions) addBalancerFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&o.backends, "backend", nil, "address and port of an apiserver, once for each (default: the apiserver of this node)")
	addChoice(cmd, &o.policy, "policy", "", v1alpha1.DefaultPolicy, "how the balancer chooses a backend: RoundRobin, LeastConnections or SourceHash",
		words(balance.RoundRobin, balance.LeastConnections, balance.SourceHash)...)
	under(flags, "Balancer")
	o.metrics.addFlags(cmd)
	under(flags, "Metrics")
	complete(cmd, freely, "backend")
}

func (o *manifestOptions) addFileFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.config, "config", "", "configuration file (- for stdin)")
	flags.StringVar(&o.kubeadmConfig, "kubeadm-config", "", "kubeadm configuration file that names the endpoint, the ports and the cluster (- for stdin)")
	under(flags, "Files that are read")
	flags.BoolVar(&o.noHostChecks, "no-host-checks", false, "do not check the interfaces, addresses and ports of this host: the pod is for another one")
	addIgnoreFlag(cmd, &o.ignored)
	o.onWire.addFlags(flags)
	under(flags, "Checks of this host")
	flags.StringVarP(&o.output, "output", "o", manifest.DefaultPath, "file to write, - for stdout")
	flags.BoolVar(&o.configFile, "config-file", false, "write the configuration to "+config.File+", which the pod then reads and follows, instead of into the pod")
	flags.StringVar(&o.image, "image", manifest.DefaultImage, "image of the pod, by tag or digest")
	flags.BoolVar(&o.dryRun, "dry-run", false, "check everything and print what would be written, but write nothing")
	under(flags, "Output")
	complete(cmd, yamlFile, "config", "kubeadm-config", "output")
	complete(cmd, examples(manifest.DefaultImage), "image")
}

func (o *manifestOptions) run(ctx context.Context, s streams, changed func(string) bool) error {
	cfg, given, err := o.configuration(s, changed)
	if err != nil {
		return usageError(err)
	}
	ignored, err := parseIgnored(o.ignored)
	if err != nil {
		return err
	}
	if _, err := o.onWire.validate(changed); err != nil {
		return usageError(err)
	}
	if o.onWire.wire && o.noHostChecks {
		return usageError(errors.New("--wire and --no-host-checks: only one of them, as the wire is that of this host"))
	}
	warnKubeadm(ctx, s, given, cfg, !o.noHostChecks)
	if !o.noHostChecks {
		if err := checkHost(ctx, s, cfg, ignored, &o.onWire); err != nil {
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
	there, err := o.compare(files)
	if err != nil {
		return err
	}
	if o.dryRun || o.output == "-" {
		return errors.Join(show(s, files, there), there.printCosts(s, cfg, files))
	}
	if err := write(s, files, there); err != nil {
		return err
	}
	return errors.Join(there.printCosts(s, cfg, files), o.printNextSteps(s, cfg, given))
}

// configuration puts the flags, the file and kubeadm's configuration together.
func (o *manifestOptions) configuration(s streams, changed func(string) bool) (*config.HarbingerConfiguration, kubeadm.Configuration, error) {
	var given kubeadm.Configuration
	versioned := &v1alpha1.HarbingerConfiguration{}
	if o.config == "-" && o.kubeadmConfig == "-" {
		return nil, given, errors.New("--config and --kubeadm-config: only one of them can be read from stdin")
	}
	if o.config != "" {
		raw, err := readFile(s, o.config)
		if err != nil {
			return nil, given, fmt.Errorf("--config: %w", err)
		}
		if versioned, err = scheme.DecodeVersioned(raw); err != nil {
			return nil, given, err
		}
	}
	errs := []error{o.override(versioned, changed), checkImage(o.image)}
	var others disagreements
	if o.kubeadmConfig != "" {
		var err error
		if given, others, err = readKubeadm(s, o.kubeadmConfig, versioned); err != nil {
			return nil, given, err
		}
	}
	cfg, err := scheme.Complete(versioned)
	return cfg, given, errors.Join(append(errs, joinFields(others, err))...)
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
	override(changed("minimum-ttl"), &v.MinimumTTL, o.minimumTTL)
	override(changed("backend"), &cfg.LoadBalancer.Backends, backends(split(o.backends)))
	override(changed("virtual-router-id"), &v.VirtualRouterID, &o.vrid)
	override(changed("priority"), &v.Priority, &o.prio)
	override(changed("vrrp-version"), &v.Version, o.version)
	override(changed("advertisement-interval"), &v.AdvertisementInterval, metav1.Duration{Duration: o.interval})
	override(changed("nopreempt"), &v.Preempt, new(!o.noPreempt))
	override(changed("preempt-delay"), &v.PreemptDelay, metav1.Duration{Duration: o.preemptDelay})
	override(changed("election-mode"), &cfg.Election.Mode, canonical(o.mode, election.Hybrid, election.VRRP, election.LeaseOnly))
	override(changed("predecessor"), &cfg.Election.Lease.Predecessor, o.predecessor)
	override(changed("policy"), &cfg.LoadBalancer.Policy, o.policy)
	o.metrics.override(&cfg.Status, changed)
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
		{"minimum-ttl", o.minimumTTL == 0},
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

// canonical returns the spelling that the configuration has of a value which is in small letters on the command line.
func canonical[T ~string](value string, known ...T) string {
	for _, k := range known {
		if strings.EqualFold(value, string(k)) {
			return string(k)
		}
	}
	return value
}

// lower are values in small letters.
func lower[T ~string](values ...T) (all []string) {
	for _, v := range values {
		all = append(all, strings.ToLower(string(v)))
	}
	return all
}

func checkImage(image string) error {
	if err := manifest.CheckImage(image); err != nil {
		return fmt.Errorf("--image: %w", err)
	}
	return nil
}

// checkHost refuses what fails on this host, or on the wire where that is asked, and warns of the rest.
func checkHost(ctx context.Context, s streams, cfg *config.HarbingerConfiguration, ignored []string, onWire *wireOptions) error {
	facts, err := preflight.Gather(ctx, cfg)
	if err != nil {
		return fmt.Errorf("this host cannot be checked: %w (use --no-host-checks to write the pod for another host)", err)
	}
	heard, err := onWire.check(ctx, wire.Options{Config: cfg})
	if err != nil {
		return err
	}
	var errs []error
	results := preflight.Ignore(append(preflight.Run(cfg, facts), heard...), ignored)
	s.noteRights(results)
	for _, r := range results {
		switch r.Status {
		case preflight.Fail:
			errs = append(errs, fmt.Errorf("%s (check %s)", r, r.Check))
		case preflight.Warn:
			fmt.Fprintf(s.err, "warning: %s (check %s)\n", r, r.Check)
		case preflight.OK:
		}
	}
	return usageError(errors.Join(errs...))
}
