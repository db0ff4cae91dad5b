// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
)

// Written is what a manifest of Harbinger says.
type Written struct {
	Options
	// Config is the configuration that the pod has. Nil: it reads config.File.
	Config *config.HarbingerConfiguration
}

// Own reports whether a file is a manifest of Harbinger, of whatever version.
func Own(raw []byte) bool {
	_, err := own(raw)
	return err == nil
}

// own returns the container of Harbinger in a manifest.
func own(raw []byte) (corev1.Container, error) {
	pod := &corev1.Pod{}
	if err := yaml.Unmarshal(raw, pod); err != nil {
		return corev1.Container{}, fmt.Errorf("no manifest of a pod: %w", err)
	}
	i := slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == name })
	if pod.Kind != "Pod" || i < 0 {
		return corev1.Container{}, fmt.Errorf("no manifest of Harbinger, but of %s %q", strings.ToLower(pod.Kind), pod.Name)
	}
	return pod.Spec.Containers[i], nil
}

// Read returns what a manifest says. One of another pod is an error.
func Read(raw []byte) (Written, error) {
	c, err := own(raw)
	if err != nil {
		return Written{}, err
	}
	w := Written{Options: Options{Image: c.Image, ConfigFile: slices.Contains(c.Args, config.File)}}
	if w.ConfigFile {
		return w, nil
	}
	v := slices.IndexFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == config.Variable })
	if v < 0 {
		return Written{}, errors.New("a manifest of Harbinger without a configuration")
	}
	w.Config, err = scheme.Decode([]byte(strings.ReplaceAll(c.Env[v].Value, "$$", "$")))
	return w, err
}
