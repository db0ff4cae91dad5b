// SPDX-License-Identifier: Apache-2.0

package app

import (
	"github.com/spf13/cobra"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

// metricsOptions are the flags of manifest for the endpoint of the metrics.
type metricsOptions struct {
	address, token           string
	certificate, key, client string
}

func (o *metricsOptions) addFlags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&o.address, "metrics-bind-address", "", "ADDRESS:PORT that serves the metrics to other hosts: node:10445 (the address of each host), 0.0.0.0:10445 or [::]:10445; not on loopback it needs a token or TLS (default: only at 127.0.0.1:10443)")
	flags.StringVar(&o.token, "metrics-token-file", "", "file in "+config.Directory+" with the bearer token that clients of --metrics-bind-address show")
	flags.StringVar(&o.certificate, "metrics-tls-cert-file", "", "file in "+config.Directory+" with the certificate of --metrics-bind-address")
	flags.StringVar(&o.key, "metrics-tls-private-key-file", "", "file in "+config.Directory+" with the private key of that certificate")
	flags.StringVar(&o.client, "metrics-client-ca-file", "", "file in "+config.Directory+" with the CA whose clients alone may ask --metrics-bind-address")
	complete(c, examples("node:10445", "0.0.0.0:10445", "[::]:10445"), "metrics-bind-address")
	complete(c, anyFile, "metrics-token-file", "metrics-tls-cert-file", "metrics-tls-private-key-file", "metrics-client-ca-file")
}

// override puts the flags that were given over a configuration.
func (o *metricsOptions) override(status *v1alpha1.Status, changed func(string) bool) {
	override(changed("metrics-bind-address"), &status.MetricsBindAddress, o.address)
	override(changed("metrics-token-file"), &status.MetricsTokenFile, o.token)
	override(changed("metrics-tls-cert-file"), &status.MetricsTLS.CertFile, o.certificate)
	override(changed("metrics-tls-private-key-file"), &status.MetricsTLS.KeyFile, o.key)
	override(changed("metrics-client-ca-file"), &status.MetricsTLS.ClientCAFile, o.client)
}
