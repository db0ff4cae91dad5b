// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What is not due stays byte for byte; what is due keeps its apiserver and its life; another CA is reason enough.
func TestKubeconfigRenew(t *testing.T) {
	cleanNode(t)
	makeCA(t, kubernetes+"/pki")
	harbinger("", "kubeconfig", "--apply-rbac=false", "--server", "https://[fd00::130]:7443", "--validity", "30d").want(t, 0)
	first := readFile(t, kubeconfigFile)
	until := time.Now().Add(30 * 24 * time.Hour).UTC().Format("2006-01-02T")

	r := harbinger("", "kubeconfig", "--renew")
	r.want(t, 0, kubeconfigFile+" is good until "+until, ", for 29 days: nothing to do")
	harbinger("", "kubeconfig", "--renew", "--before", "29d").want(t, 0, "nothing to do")
	if readFile(t, kubeconfigFile) != first || r.stdout != "" {
		t.Errorf("credentials that are good were replaced; stdout %q", r.stdout)
	}

	r = harbinger("", "kubeconfig", "--renew", "--before", "721h")
	r.want(t, 0, "Renewed "+kubeconfigFile+", as it expires at "+until, "for user harbinger until "+until)
	second := readFile(t, kubeconfigFile)
	if second == first || !strings.Contains(second, "server: https://[fd00::130]:7443\n") || r.stdout != "" {
		t.Errorf("renewed: %s; stdout %q", second, r.stdout)
	}
	if info, err := os.Stat(kubeconfigFile); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}

	makeCA(t, kubernetes+"/pki")
	harbinger("", "kubeconfig", "--renew", "--validity", "60d", "--server", "https://127.0.0.1:6443").want(t, 0, "as the certificates of the cluster's CA have changed",
		"until "+time.Now().Add(60*24*time.Hour).UTC().Format("2006-01-02T"))
	if third := readFile(t, kubeconfigFile); !strings.Contains(third, "server: https://127.0.0.1:6443\n") {
		t.Errorf("renewed: %s", third)
	}
}

// A failure changes nothing, and says what to do.
func TestKubeconfigRenewRefuses(t *testing.T) {
	cleanNode(t)
	makeCA(t, kubernetes+"/pki")
	harbinger("", "kubeconfig", "--renew").want(t, 1, kubeconfigFile+" does not exist: there is nothing to renew; make it with harbinger kubeconfig")
	harbinger("", "kubeconfig", "--before", "30d").want(t, 2, "--before says when to renew")
	harbinger("", "kubeconfig", "--renew", "--before", "soon").want(t, 2, "no duration such as 30d")
	harbinger("", "kubeconfig", "--renew", "--before", "-1h").want(t, 2, "no duration such as 30d")

	harbinger("", "kubeconfig", "--apply-rbac=false").want(t, 0)
	if err := os.Remove(kubernetes + "/pki/ca.key"); err != nil {
		t.Fatal(err)
	}
	before := written(t)
	harbinger("", "kubeconfig", "--renew").want(t, 0, "for 364 days: nothing to do") // asks for no key
	harbinger("", "kubeconfig", "--renew", "--before", "366d").want(t, 1, "is to be replaced, as it expires at ", "ca.key does not exist")
	if err := os.WriteFile(kubernetes+"/token", []byte("apiVersion: v1\nkind: Config\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	harbinger("", "kubeconfig", "--renew", "--output", kubernetes+"/token").want(t, 1, "/token: the current context names no cluster and user: renew it by the means that made it")
	if err := os.Remove(kubernetes + "/pki/ca.crt"); err != nil {
		t.Fatal(err)
	}
	harbinger("", "kubeconfig", "--renew").want(t, 1, "ca.crt does not exist")
	if after := written(t); after[kubeconfigFile] != before[kubeconfigFile] {
		t.Error("a renewal that failed has changed the file")
	}
}

// The service runs a command that there is, on the file that the command writes, and systemd takes both units.
func TestRenewalUnits(t *testing.T) {
	service, timer := readFile(t, snippets+"host/harbinger-kubeconfig.service"), readFile(t, snippets+"host/harbinger-kubeconfig.timer")
	_, rest, _ := strings.Cut(service, "\nExecStart=harbinger ")
	command, _, _ := strings.Cut(rest, "\n")
	cleanNode(t)
	makeCA(t, kubernetes+"/pki")
	harbinger("", "kubeconfig", "--apply-rbac=false").want(t, 0)
	harbinger("", strings.Fields(command)...).want(t, 0, "nothing to do")
	if !strings.Contains(service, "\nConditionPathExists="+kubeconfigFile+"\n") || !strings.Contains(service, "\nReadWritePaths=-"+filepath.Dir(kubeconfigFile)+"\n") {
		t.Errorf("the service is for another file than %s:\n%s", kubeconfigFile, service)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze reads the units: install systemd")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "harbinger")
	for path, content := range map[string]string{
		program: "#!/bin/sh\n", dir + "/harbinger-kubeconfig.timer": timer,
		dir + "/harbinger-kubeconfig.service": strings.Replace(service, "=harbinger ", "="+program+" ", 1), // which is not installed here
	} {
		mode := os.FileMode(0o644)
		if path == program {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(analyze, "verify", dir+"/harbinger-kubeconfig.service", dir+"/harbinger-kubeconfig.timer").CombinedOutput()
	if err != nil || strings.Contains(string(out), dir) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
