// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
)

// manifestDirectory is where the kubelet of a kubeadm node looks for static pods.
const manifestDirectory = "/etc/kubernetes/manifests"

// kubeletFile is its configuration on a kubeadm node.
const kubeletFile = "/var/lib/kubelet/config.yaml"

// Kubelet is what its configuration says.
type Kubelet struct {
	// Configured says that there is one.
	Configured    bool
	StaticPodPath string
}

// kubelet reads its configuration. Before kubeadm there is none.
func kubelet() (Kubelet, error) {
	content, err := os.ReadFile(kubeletFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Kubelet{}, nil
	}
	if err != nil {
		return Kubelet{}, err
	}
	var read struct {
		StaticPodPath string `json:"staticPodPath"`
	}
	if err := yaml.Unmarshal(content, &read); err != nil {
		return Kubelet{}, fmt.Errorf("%s: %w", kubeletFile, err)
	}
	return Kubelet{true, read.StaticPodPath}, nil
}

// checkStaticPodPath warns where the kubelet looks elsewhere than kubeadm has it look.
func checkStaticPodPath(_ *config.HarbingerConfiguration, facts Facts) []Result {
	k := facts.Kubelet.Value
	switch {
	case facts.Kubelet.Err != nil:
		return unanswered(facts.Kubelet.Err, "")
	case !k.Configured:
		return fine("the kubelet has no configuration yet; that of kubeadm has it look in %s", manifestDirectory)
	case k.StaticPodPath == "":
		return []Result{{Status: Fail, Found: kubeletFile + " has no staticPodPath: the kubelet runs no static pods",
			Remedy: fmt.Sprintf("echo 'staticPodPath: %s' >> %s && systemctl restart kubelet", manifestDirectory, kubeletFile)}}
	case filepath.Clean(k.StaticPodPath) != manifestDirectory:
		return []Result{{Status: Warn, Found: fmt.Sprintf("the kubelet looks for static pods in %s (%s)", k.StaticPodPath, kubeletFile),
			Remedy: fmt.Sprintf("harbinger manifest --config %s --output %s/ha.yaml", config.File, filepath.Clean(k.StaticPodPath))}}
	}
	return fine("the kubelet looks for static pods in %s", manifestDirectory)
}

// Pod is one in the directory of the kubelet that may be in the way.
type Pod struct {
	File string
	// Program is what it runs: harbinger, kube-vip, keepalived, haproxy, nginx, envoy.
	Program string
	// Names are the virtual addresses that the file has.
	Names []string
}

// foreign are the programs of pods that do the work of Harbinger.
var foreign = []string{"kube-vip", "keepalived", "haproxy", "nginx", "envoy", "ucarp", "harbinger"}

// pods reads the directory of the kubelet. As the kubelet does, it reads every file but those that begin with a dot.
func pods(cfg *config.HarbingerConfiguration, dir string) ([]Pod, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []Pod
	for _, entry := range entries {
		file := filepath.Join(dir, entry.Name())
		if strings.HasPrefix(entry.Name(), ".") || entry.IsDir() {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if program := programOf(content); program != "" {
			found = append(found, Pod{file, program, named(cfg, string(content))})
		}
	}
	return found, nil
}

// programOf returns which of the foreign programs a manifest runs, or nothing. What is no manifest of a pod runs none.
func programOf(manifest []byte) string {
	var pod struct {
		Kind string `json:"kind"`
		Spec struct {
			Containers []struct {
				Name    string   `json:"name"`
				Image   string   `json:"image"`
				Command []string `json:"command"`
			} `json:"containers"`
		} `json:"spec"`
	}
	if yaml.Unmarshal(manifest, &pod) != nil || pod.Kind != "Pod" {
		return ""
	}
	for _, c := range pod.Spec.Containers {
		image, _, _ := strings.Cut(c.Image[strings.LastIndex(c.Image, "/")+1:], ":")
		words := []string{c.Name, image}
		if len(c.Command) > 0 {
			words = append(words, filepath.Base(c.Command[0]))
		}
		for _, program := range foreign {
			if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(w, program) }) {
				return program
			}
		}
	}
	return ""
}

// checkPods refuses other managers of the same address, and a second Harbinger.
func checkPods(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	if facts.Pods.Err != nil {
		return unanswered(facts.Pods.Err, "")
	}
	var results []Result
	own := slices.DeleteFunc(slices.Clone(facts.Pods.Value), func(p Pod) bool { return p.Program != "harbinger" })
	slices.SortStableFunc(own, func(a, b Pod) int { return strings.Compare(a.extra(), b.extra()) })
	for i, p := range own {
		if i > 0 {
			results = append(results, Result{Status: Fail, Found: fmt.Sprintf("%s runs Harbinger beside %s", p.File, own[0].File), Remedy: p.away()})
		}
	}
	for _, p := range facts.Pods.Value {
		r := Result{Status: Warn, Found: fmt.Sprintf("%s runs %s", p.File, p.Program), Remedy: p.away()}
		if len(p.Names) > 0 {
			r.Status = Fail
			r.Found += ", and has " + strings.Join(p.Names, ", ")
		}
		switch p.Program {
		case "harbinger":
			continue
		case "kube-vip":
			r = predecessor(cfg, r)
		}
		results = append(results, r)
	}
	return orFine(results, "no pod there does the work of Harbinger beside it")
}

// extra orders the pods of Harbinger: the file that the manifest command writes comes first.
func (p Pod) extra() string {
	if filepath.Base(p.File) == "ha.yaml" {
		return ""
	}
	return p.File
}

// away is the command that has the kubelet stop a pod.
func (p Pod) away() string { return fmt.Sprintf("mv %s /root/", p.File) }
