// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// ManifestFile is where a node has the pod of its sidecar.
const ManifestFile = "/etc/kubernetes/manifests/ha.yaml"

// imageProgram is the program in the image.
const imageProgram = "/harbinger"

// commandTime bounds a command of the program: a planned move, or rights that an API server gives.
const commandTime = 30 * time.Second

// Harbinger runs what the generator writes, the pod of ha.yaml, as the kubelet does.
type Harbinger struct {
	Binary string   // path of the program
	Flags  []string // of the generator, in addition to those that the plane needs
	// Without is what the kernel refuses to the pod; nothing if not set.
	Without guest.Denial
}

// Build compiles the program to a path.
func Build(path string) (Harbinger, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Harbinger{}, err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "github.com/harbinger-ha/harbinger/cmd/harbinger")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return Harbinger{}, fmt.Errorf("build: %w\n%s", err, out)
	}
	return Harbinger{Binary: path}, nil
}

// Name returns what the system is called in tables.
func (Harbinger) Name() string { return "harbinger" }

// Start generates ha.yaml on a node and runs its pod.
func (x Harbinger) Start(p *Plane, n *Node) (*Sidecar, error) {
	return x.StartPod(n, x.ManifestArguments(p)...)
}

// StartPod runs a command of the generator on a node, and the pod that it writes.
func (x Harbinger) StartPod(n *Node, generate ...string) (*Sidecar, error) {
	if err := x.Generate(n, generate...); err != nil {
		return nil, err
	}
	return x.RunPod(n)
}

// Generate runs a command of the generator on a node.
func (x Harbinger) Generate(n *Node, generate ...string) error {
	// On a real host the package of the kubelet makes the directory.
	if err := n.Do(func() error { return os.MkdirAll(filepath.Dir(ManifestFile), 0o755) }); err != nil {
		return err
	}
	_, err := x.Run(n, generate...)
	return err
}

// RunPod runs the pod that a node has.
func (x Harbinger) RunPod(n *Node) (*Sidecar, error) {
	command, err := x.podCommand(n)
	if err != nil {
		return nil, err
	}
	keeper, err := n.Host.Start(command)
	if err != nil {
		return nil, err
	}
	return &Sidecar{Keeper: keeper}, nil
}

// Command returns how a node runs a command of the program.
func (x Harbinger) Command(args ...string) lab.Command {
	return lab.Command{Path: x.Binary, Args: args}
}

// Run runs a command of the program on a node, and returns what it printed.
func (x Harbinger) Run(n *Node, args ...string) (string, error) {
	process, err := n.Host.Start(x.Command(args...))
	if err != nil {
		return "", err
	}
	if err := process.Wait(commandTime); err != nil {
		return "", fmt.Errorf("%s %v: %w\n%s", x.Binary, args, err, process.Output())
	}
	return process.Output(), nil
}

// ManifestArguments returns the arguments of the generator. They are the same on every node.
func (x Harbinger) ManifestArguments(p *Plane) []string {
	args := []string{
		"manifest",
		"--port", fmt.Sprint(p.Port), "--apiserver-port", fmt.Sprint(APIServerPort),
		"--virtual-router-id", fmt.Sprint(VirtualRouterID),
		"--advertisement-interval", p.Interval.String(),
		"--output", ManifestFile,
	}
	for _, vip := range p.VirtualAddresses {
		args = append(args, "--vip", vip.String())
	}
	for _, backend := range p.Backends() {
		args = append(args, "--backend", backend.String())
	}
	return append(args, x.Flags...)
}

// podCommand returns the command of the pod on that node, as the kubelet runs it.
func (x Harbinger) podCommand(n *Node) (lab.Command, error) {
	content, err := n.ReadFile(ManifestFile)
	if err != nil {
		return lab.Command{}, err
	}
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict([]byte(content), &pod); err != nil {
		return lab.Command{}, fmt.Errorf("%s: %w", ManifestFile, err)
	}
	if len(pod.Spec.Containers) != 1 {
		return lab.Command{}, fmt.Errorf("%s: %d containers, want 1", ManifestFile, len(pod.Spec.Containers))
	}
	container := pod.Spec.Containers[0]
	argv := append(container.Command, container.Args...)
	if len(container.Command) == 0 { // then the image says what to run
		argv = append([]string{imageProgram}, container.Args...)
	}
	if argv[0] != imageProgram {
		return lab.Command{}, fmt.Errorf("%s: the pod runs %s, which the image does not have", ManifestFile, argv[0])
	}
	run := lab.Command{Path: x.Binary, Args: argv[1:], Env: environment(container.Env, n)}
	if x.Without != "" {
		run = guest.Confined(x.Without, run)
	}
	return run, nil
}

// environment returns the variables of a container on that node.
func environment(vars []corev1.EnvVar, n *Node) []string {
	fields := map[string]string{
		"spec.nodeName": n.Name,
		"status.hostIP": n.Address.Addr().String(),
	}
	var env []string
	for _, v := range vars {
		value := v.Value
		if v.ValueFrom != nil && v.ValueFrom.FieldRef != nil {
			value = fields[v.ValueFrom.FieldRef.FieldPath]
		}
		env = append(env, v.Name+"="+value)
	}
	return env
}

// Ready reports whether the balancer of a node has found all API servers healthy.
func (Harbinger) Ready(n *Node) bool {
	s, err := n.Status()
	return err == nil && len(s.Balancer.Backends) > 0 &&
		!slices.ContainsFunc(s.Balancer.Backends, func(b statusv1alpha1.Backend) bool { return !b.Healthy })
}

// Status asks Harbinger on a node for its status.
func (n *Node) Status() (s statusv1alpha1.HarbingerStatus, err error) {
	client := http.Client{
		Transport: &http.Transport{DialContext: n.Dial, DisableKeepAlives: true},
		Timeout:   2 * time.Second,
	}
	response, err := client.Get("http://" + v1alpha1.DefaultStatusBindAddress + "/status")
	if err != nil {
		return s, fmt.Errorf("status of %s: %w", n.Name, err)
	}
	defer response.Body.Close()
	err = json.NewDecoder(response.Body).Decode(&s)
	return s, err
}
