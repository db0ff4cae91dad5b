// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert/kubeadm"
)

// lookupTimeout is how long a name server may take to say what kubeadm's endpoint is.
const lookupTimeout = 3 * time.Second

// disagreements name the fields of a configuration of which kubeadm's says something else.
type disagreements = field.ErrorList

// readKubeadm completes a configuration by kubeadm's.
func readKubeadm(s streams, name string, cfg *v1alpha1.HarbingerConfiguration) (given kubeadm.Configuration, errs disagreements, err error) {
	raw, err := readFile(s, name)
	if err == nil {
		given, err = kubeadm.Parse(raw)
	}
	if err != nil {
		return given, nil, fmt.Errorf("--kubeadm-config: %w", err)
	}
	return given, given.Complete(cfg), nil
}

// joinFields joins the errors that are known and those that were found later, one of each field: what is said first is closer to what
// the user has written.
func joinFields(known disagreements, later error) error {
	var errs []error
	for _, err := range known {
		errs = append(errs, err)
	}
	for _, err := range flatten(later) {
		named, ok := errors.AsType[*field.Error](err)
		if err != nil && (!ok || !slices.ContainsFunc(known, func(k *field.Error) bool { return k.Field == named.Field })) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// warnKubeadm prints what kubeadm would stumble over later. Without a resolver names are not looked up.
func warnKubeadm(ctx context.Context, s streams, given kubeadm.Configuration, cfg *config.HarbingerConfiguration, hostChecks bool) {
	var resolver kubeadm.Resolver
	if hostChecks {
		resolver = net.DefaultResolver
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var vips []netip.Addr
	for _, vip := range cfg.VirtualAddresses {
		vips = append(vips, vip.Addr())
	}
	for _, warning := range given.Warnings(ctx, resolver, vips) {
		fmt.Fprintln(s.err, "warning: --kubeadm-config:", warning)
	}
}
