// SPDX-License-Identifier: Apache-2.0

package scheme

import (
	"encoding/json"
	"reflect"

	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

// Encode returns the document of a configuration with every default spelled out.
func Encode(cfg *config.HarbingerConfiguration) ([]byte, error) {
	return yaml.Marshal(v1alpha1.FromInternal(cfg))
}

// EncodeMinimal returns the canonical document of a configuration: its fields sorted, those that have their default value
// left out. The same configuration gives the same bytes whatever was written out in the file it came from, and goes on
// giving them when a later version adds fields.
func EncodeMinimal(cfg *config.HarbingerConfiguration) ([]byte, error) {
	full, err := untyped(v1alpha1.FromInternal(cfg))
	if err != nil {
		return nil, err
	}
	// Some defaults depend on the scheme of the health check, on the version of the protocol, and on the type of the authentication.
	versioned := &v1alpha1.HarbingerConfiguration{}
	versioned.HealthCheck.Scheme = string(cfg.HealthCheck.Scheme)
	versioned.HealthCheck.InsecureSkipVerify = cfg.HealthCheck.InsecureSkipVerify
	v := &versioned.Election.VRRP
	v.Authentication.Type, v.Authentication.HMAC.AntiReplay = string(cfg.Election.VRRP.Authentication.Type), string(cfg.Election.VRRP.HMAC.AntiReplay)
	v.AdvertisementInterval.Duration = cfg.Election.VRRP.AdvertisementInterval
	v1alpha1.SetDefaults_HarbingerConfiguration(versioned)
	versioned.HealthCheck.Scheme = v1alpha1.DefaultHealthCheckScheme
	versioned.HealthCheck.InsecureSkipVerify = false
	v.Authentication.Type, v.AdvertisementInterval.Duration = v1alpha1.DefaultAuthenticationType, v1alpha1.AdvertisementInterval(int32(cfg.Election.VRRP.Version))
	if v.Authentication.HMAC.AntiReplay != "" {
		v.Authentication.HMAC.AntiReplay = v1alpha1.DefaultHMACAntiReplay
	}
	defaults, err := untyped(versioned)
	if err != nil {
		return nil, err
	}
	prune(full, defaults)
	return yaml.Marshal(full)
}

func untyped(versioned *v1alpha1.HarbingerConfiguration) (map[string]any, error) {
	raw, err := json.Marshal(versioned)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	return out, json.Unmarshal(raw, &out)
}

// prune removes from values what is equal in defaults.
func prune(values, defaults map[string]any) {
	for name, value := range values {
		group, ok := value.(map[string]any)
		defaultGroup, _ := defaults[name].(map[string]any)
		if ok {
			prune(group, defaultGroup)
		}
		if (ok && len(group) == 0) || reflect.DeepEqual(value, defaults[name]) {
			delete(values, name)
		}
	}
}
