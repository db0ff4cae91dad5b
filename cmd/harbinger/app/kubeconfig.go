// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/validation"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
	"github.com/harbinger-ha/harbinger/pkg/staticpod"
)

const kubeconfigLong = `Write the credentials with which the pod reads and writes the Lease of the election.

Run it on each control-plane node after kubeadm has made the CA of the cluster. The key of the CA signs a client certificate
for the user ` + kubeapi.User + `, who has only the permissions that harbinger needs. The running pod uses a new file within
seconds. The permissions are applied with --admin-kubeconfig; if that fails, they are printed to stdout.

With --renew, for a timer: replace the certificate of credentials that are there, if less than a third of its life is left (or
less than --before), or if the CA of the cluster has changed; else say how long it is good. The apiserver, its name and the life
of the certificate stay as they were, and no permission is applied.`

// The defaults of the command.
const (
	defaultCertDir = "/etc/kubernetes/pki"
	// defaultValidity is that of kubeadm's own certificates.
	defaultValidity        = 8760 * time.Hour
	defaultAdminKubeconfig = "/etc/kubernetes/admin.conf"
	// applyTimeout bounds the calls to an apiserver that may not be there yet.
	applyTimeout = 10 * time.Second
)

// kubeconfigOptions are the flags of the command.
type kubeconfigOptions struct {
	certDir, output, server, config string
	validity, before                time.Duration
	applyRBAC, renew                bool
	adminKubeconfig, predecessor    string
}

func newKubeconfigCommand(s streams) *cobra.Command {
	var o kubeconfigOptions
	cmd := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Write the credentials for the Lease, after kubeadm init or join",
		Long:  kubeconfigLong,
		Example: `  # after kubeadm init or join, on each node of the control plane
  harbinger kubeconfig

  # from a timer: a new certificate where less than a third of its life is left
  harbinger kubeconfig --renew`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.renew {
				return o.runRenew(s, cmd.Flags().Changed)
			}
			if cmd.Flags().Changed("before") {
				return usageError(errors.New("--before says when to renew: give it with --renew"))
			}
			return o.run(cmd.Context(), s)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.certDir, "cert-dir", defaultCertDir, "directory with ca.crt and ca.key of the cluster")
	flags.StringVarP(&o.output, "output", "o", "", "file to write (default: election.lease.kubeconfig, "+v1alpha1.DefaultLeaseKubeconfig+")")
	o.validity = defaultValidity
	flags.Var((*lifetime)(&o.validity), "validity", "how long the client certificate is valid, at most as long as that of the CA")
	flags.StringVar(&o.server, "server", "", "URL of the apiserver of this node (default: https://127.0.0.1 with controlPlane.apiServerPort)")
	flags.StringVar(&o.config, "config", "", "configuration file with the name of the Lease (default: the variable "+config.Variable+", else the defaults)")
	under(flags, "Credentials")
	flags.BoolVar(&o.applyRBAC, "apply-rbac", true, "apply the permissions of the user; with false, print them to stdout")
	flags.StringVar(&o.adminKubeconfig, "admin-kubeconfig", defaultAdminKubeconfig, "credentials with which the permissions are applied")
	flags.StringVar(&o.predecessor, "predecessor", "", predecessorUsage)
	under(flags, "Permissions")
	flags.BoolVar(&o.renew, "renew", false, "replace the certificate of credentials that are there, if it is time")
	flags.Var((*lifetime)(&o.before), "before", "with --renew: how long before its end the certificate is replaced (default: a third of its life)")
	under(flags, "Renewal")
	complete(cmd, directory, "cert-dir")
	complete(cmd, anyFile, "output")
	complete(cmd, confFile, "admin-kubeconfig")
	complete(cmd, yamlFile, "config")
	complete(cmd, examples("https://127.0.0.1:6443"), "server")
	complete(cmd, examples(predecessorExample), "predecessor")
	return cmd
}

func (o *kubeconfigOptions) run(ctx context.Context, s streams) error {
	cfg, err := o.configuration()
	if err != nil {
		return usageError(err)
	}
	document, expires, err := o.sign(v1alpha1.DefaultServerName, cfg.controlPlane.ClusterName)
	if err != nil {
		return err
	}
	if err := writePrivate(o.output, document); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "Wrote %s, for user %s until %s\n", o.output, kubeapi.User, expires.UTC().Format(time.RFC3339))
	return o.grant(ctx, s, cfg.lease)
}

// leaseConfiguration is the part of the configuration that the credentials are for.
type leaseConfiguration struct {
	controlPlane config.ControlPlane
	lease        config.Arbitration
}

// configuration completes the flags from the configuration, if there is one.
func (o *kubeconfigOptions) configuration() (leaseConfiguration, error) {
	cfg := leaseConfiguration{
		config.ControlPlane{APIServerPort: v1alpha1.DefaultAPIServerPort, ClusterName: v1alpha1.DefaultClusterName},
		config.Arbitration{Kubeconfig: v1alpha1.DefaultLeaseKubeconfig, Namespace: v1alpha1.DefaultLeaseNamespace, Name: v1alpha1.DefaultLeaseName},
	}
	if o.config != "" || os.Getenv(config.Variable) != "" {
		whole, err := runConfiguration(o.config)
		if err != nil {
			return cfg, err
		}
		cfg = leaseConfiguration{whole.ControlPlane, whole.Election.Lease}
	}
	override(o.output == "", &o.output, cfg.lease.Kubeconfig)
	override(o.server == "", &o.server, fmt.Sprintf("https://127.0.0.1:%d", cfg.controlPlane.APIServerPort))
	override(o.predecessor != "", &cfg.lease.Predecessor, o.predecessor)
	var errs []error
	if o.predecessor != "" && !validation.IsLease(o.predecessor) {
		errs = append(errs, fmt.Errorf("--predecessor: %q is not the namespace and the name of a Lease, such as kube-system/plndr-cp-lock", o.predecessor))
	}
	if u, err := url.Parse(o.server); err != nil || u.Scheme != "https" || u.Host == "" {
		errs = append(errs, fmt.Errorf("--server: %q is not a URL such as https://127.0.0.1:6443", o.server))
	}
	if o.validity < time.Hour {
		errs = append(errs, fmt.Errorf("--validity: %v is too short: use at least 1h", o.validity))
	}
	return cfg, errors.Join(errs...)
}

// sign makes the kubeconfig with the CA of the cluster. The name is one that kubeadm puts into the certificate of each
// apiserver, which 127.0.0.1 is not.
func (o *kubeconfigOptions) sign(serverName, cluster string) (document []byte, expires time.Time, err error) {
	certificate, err := o.readCA()
	if err != nil {
		return nil, time.Time{}, err
	}
	key, err := readPKI(filepath.Join(o.certDir, "ca.key"),
		"run this command on a node that has the key of the CA; with an external CA, have it sign a client certificate for CN="+kubeapi.User+", O="+kubeapi.Group)
	if err != nil {
		return nil, time.Time{}, err
	}
	document, expires, err = kubeapi.NewKubeconfig(kubeapi.KubeconfigOptions{
		CACertificate: certificate, CAKey: key,
		Server: o.server, ServerName: serverName, ClusterName: cluster,
		Now: time.Now(), Validity: o.validity,
	})
	if err != nil {
		err = fmt.Errorf("ca.crt and ca.key in %s: %w: name the directory of the cluster's CA with --cert-dir", o.certDir, err)
	}
	return document, expires, err
}

// readCA reads the certificates of the cluster's CA.
func (o *kubeconfigOptions) readCA() ([]byte, error) {
	return readPKI(filepath.Join(o.certDir, "ca.crt"),
		"run this command after kubeadm has made the CA (kubeadm init phase certs ca, or kubeadm join), or name its directory with --cert-dir")
}

// readPKI reads a file of the PKI. The remedy is for one that is not there.
func readPKI(path, remedy string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist: %s", path, remedy)
	}
	return raw, err
}

// writePrivate writes a file that only root may read. A directory that is not there is made for nobody else either.
func writePrivate(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return staticpod.Write(path, content)
}

// grant applies the permissions of the user, or prints them where that is not possible: before kubeadm init there is no
// apiserver, and a node that joins need not have the credentials of an administrator.
func (o *kubeconfigOptions) grant(ctx context.Context, s streams, lease config.Arbitration) error {
	if o.applyRBAC {
		ctx, cancel := context.WithTimeout(ctx, applyTimeout)
		defer cancel()
		err := kubeapi.ApplyRBAC(ctx, o.adminKubeconfig, lease.Namespace, lease.Name, lease.Predecessor)
		if err == nil {
			_, err = fmt.Fprintf(s.err, "Applied the permissions of user %s\n", kubeapi.User)
			return err
		}
		fmt.Fprintf(s.err, "The permissions could not be applied: %s\n", s.withRights(err.Error()))
	}
	document, err := kubeapi.RBAC(lease.Namespace, lease.Name, lease.Predecessor)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.err, "The permissions are on stdout. Apply them once for the cluster:\n  kubectl --kubeconfig %s apply -f FILE\n", o.adminKubeconfig)
	_, err = s.out.Write(document)
	return err
}
