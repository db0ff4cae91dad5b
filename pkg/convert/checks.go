// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"cmp"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/validation"
)

// Quicken gives the checks of a converted configuration the default times where they would notice a dead apiserver later
// than the election a dead node, which no configuration may do, but those of kubeadm's own recipe do. It returns a warning
// then, or nothing.
func Quicken(cfg *v1alpha1.HarbingerConfiguration) string {
	check := &cfg.HealthCheck
	interval := cmp.Or(check.Interval.Duration, v1alpha1.DefaultHealthCheckInterval)
	if check.Timeout.Duration == 0 && interval < v1alpha1.DefaultHealthCheckTimeout {
		check.Timeout.Duration = interval
	}
	timeout := cmp.Or(check.Timeout.Duration, v1alpha1.DefaultHealthCheckTimeout)
	detection := time.Duration(cmp.Or(check.FailureThreshold, v1alpha1.DefaultFailureThreshold))*interval + timeout
	advertisements := cmp.Or(cfg.Election.VRRP.AdvertisementInterval.Duration, v1alpha1.DefaultAdvertisementInterval)
	if timeout <= interval && detection <= validation.DetectionLimit(advertisements) {
		return ""
	}
	check.Interval, check.Timeout, check.FailureThreshold, check.SuccessThreshold = metav1.Duration{}, metav1.Duration{}, 0, 0
	return fmt.Sprintf("interval, timeout, fall and rise of the checks: a dead apiserver would be noticed after %v, later than a dead node: "+
		"the default times are taken, see healthCheck", detection)
}
