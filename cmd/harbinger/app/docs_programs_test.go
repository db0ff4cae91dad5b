// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/harbinger-ha/harbinger/cmd/harbinger/app"
)

// actsVariable makes the test binary one of the programs that the pages name.
const actsVariable = "HARBINGER_TEST_ACTS"

// act is the program of that name.
func act(name string, arguments []string) int {
	if name == "harbinger" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		return app.Main(ctx, arguments, os.Stdin, os.Stdout, os.Stderr)
	}
	if name == leftFence {
		return actAsFence()
	}
	if err := checkUsage(name, arguments); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 64
	}
	answer, ok := answers[name+" "+strings.Join(arguments[:min(1, len(arguments))], "")]
	if !ok {
		answer = answers[name]
	}
	fmt.Print(answer)
	return 0
}

// answers are what stand-ins print where the pages go on with it, by the program or by its first argument too.
var answers = map[string]string{
	"crictl":        "4f1c0ffee\n",
	"crictl logs":   `{"level":"WARN","msg":"Lease lost"}` + "\n" + `{"level":"INFO","msg":"State changed"}` + "\n",
	"journalctl -u": "kubelet: started harbinger\n",
}

// usages are the commands of other programs that the pages show, with the flags that these know there: a flag that ends with "="
// takes a value, a word in upper case stands for one argument, in brackets for one that may be left out, with "..." for several.
// What is not here is not known: look into the manual of the program before adding it.
const usages = `
apt-get install [--yes] FILE...
apt-get remove [--yes] FILE...
arping [-D] [-I=] [-c=] ADDRESS
chronyc tracking
cosign verify-blob --key= --signature= [--insecure-ignore-tlog] FILE
cosign verify --key= [--insecure-ignore-tlog] FILE
crictl exec ID COMMAND...
crictl images
crictl logs [--tail=] ID
crictl ps [-q] [-a] [--name=]
crictl rm ID
crictl stop [--timeout=] ID
ctr -n= images import FILE
ctr -n= images pull IMAGE
ctr -n= images ls [FILTER]
ctr -n= images tag IMAGE IMAGE
ctr -n= run [--rm] [--net-host] [--mount=] IMAGE ID COMMAND...
curl [-fsSLO] [-fLO] [-LO] [-k] [-sk] [--cacert=] [--max-time=] URL...
dnf install [--yes] FILE...
dnf remove [--yes] FILE...
docker load --input= 
docker run [--rm] [--network=] [-v=] IMAGE COMMAND...
dpkg -i FILE...
dpkg --install FILE...
dpkg --remove FILE...
dpkg --purge FILE...
firewall-cmd [--permanent] --add-protocol=
firewall-cmd [--permanent] --add-port=
firewall-cmd [--permanent] --add-rich-rule=
firewall-cmd --reload
firewall-cmd --list-all
journalctl [-u=] [-f] [--since=]
kubeadm certs renew WHAT
kubeadm config migrate --old-config= --new-config=
kubeadm init [--control-plane-endpoint=] [--upload-certs] [--pod-network-cidr=] [--config=] [--apiserver-bind-port=]
kubeadm init phase certs apiserver --config=
kubeadm init phase upload-certs --upload-certs [--config=]
kubeadm init phase upload-config kubeadm --config=
kubeadm join [ENDPOINT] [--token=] [--discovery-token-ca-cert-hash=] [--control-plane] [--certificate-key=] [--config=] [--apiserver-bind-port=]
kubeadm reset [--force]
kubeadm token create --print-join-command
kubectl [--kubeconfig=] apply -f=
kubectl apply -k=
kubectl [--kubeconfig=] [-n=] create secret generic NAME --from-file=
kubectl [--kubeconfig=] [-n=] delete KIND NAME...
kubectl [--kubeconfig=] [-n=] delete -f=
kubectl --server= get KIND
kubectl [--kubeconfig=] [-n=] get KIND [NAME] [-o=] [-w]
kubectl [--kubeconfig=] [-n=] edit KIND NAME
kubectl [--kubeconfig=] [-n=] describe KIND NAME
kubectl [--kubeconfig=] drain NODE [--ignore-daemonsets]
kubectl [--kubeconfig=] uncordon NODE
kubectl [--kubeconfig=] [-n=] logs POD
kubectl [--kubeconfig=] cluster-info
modprobe MODULE
openssl dgst -sha256 -verify= -signature= FILE
openstack port set --allowed-address= PORT
openstack security group rule create --protocol= --remote-ip= [--dst-port=] GROUP
podman load --input=
podman run [--rm] [--network=] [-v=] IMAGE COMMAND...
poweroff
reboot
rpm --install FILE...
rpm --upgrade FILE...
rpm --erase FILE...
scp FILE... TARGET
sha256sum [--check] [--ignore-missing] FILE
shutdown [-h] [-r] TIME
ss [-tanp] [-ltnp] [-K]
ssh HOST [COMMAND...]
sysctl --system
sysctl -p FILE
sysctl -w SETTING
sysctl -n SETTING
systemctl daemon-reload
systemctl disable [--now] UNIT...
systemctl enable [--now] UNIT...
systemctl is-active UNIT
systemctl list-timers [UNIT]
systemctl mask UNIT
systemctl reload UNIT
systemctl restart UNIT
systemctl start UNIT
systemctl status UNIT
systemctl stop UNIT...
tar -xzf=
tar -xzf= -C= [NAME...]
tcpdump [-n] [-e] [-v] [-i=] [-c=] FILTER...
timedatectl
timedatectl set-ntp BOOLEAN
ufw allow proto PROTOCOL from SOURCE
ufw allow proto PROTOCOL from SOURCE to TARGET
ufw allow proto PROTOCOL from SOURCE to TARGET port PORT
ufw allow PORT
ufw reload
ufw status
yum install [-y] FILE...
`

// standIns returns the programs that have a usage.
func standIns() (names []string) {
	for line := range strings.Lines(strings.TrimSpace(usages)) {
		names = append(names, strings.Fields(line)[0])
	}
	return slices.Compact(names)
}

// checkUsage says what in a command none of the usages of its program has.
func checkUsage(name string, arguments []string) error {
	var errs []error
	for line := range strings.Lines(strings.TrimSpace(usages)) {
		words := strings.Fields(line)
		if words[0] != name {
			continue
		}
		err := fits(words[1:], arguments)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", strings.TrimSpace(line), err))
	}
	if errs == nil {
		return errors.New("is no program that the pages may name: see usages")
	}
	return fmt.Errorf("%q is not as it is known:\n%w", strings.Join(arguments, " "), errors.Join(errs...))
}

// fits says what of the arguments a usage does not have.
func fits(usage, arguments []string) error {
	flags, required, words := map[string]bool{}, map[string]bool{}, []string{}
	for _, word := range usage {
		bare := strings.Trim(word, "[]")
		flag, value := strings.CutSuffix(bare, "=")
		switch {
		case !strings.HasPrefix(bare, "-"):
			words = append(words, word)
			continue
		case word == bare:
			required[flag] = true
		}
		flags[flag] = value
	}
	var rest []string
	for len(arguments) > 0 {
		argument := arguments[0]
		arguments = arguments[1:]
		if !strings.HasPrefix(argument, "-") || takesAll(words, len(rest)) {
			rest = append(rest, argument)
			continue
		}
		flag, _, given := strings.Cut(argument, "=")
		value, known := flags[flag]
		switch {
		case !known || given && !value:
			return fmt.Errorf("no flag %s", argument)
		case value && !given && len(arguments) == 0:
			return fmt.Errorf("%s without a value", flag)
		case value && !given:
			arguments = arguments[1:]
		}
		delete(required, flag)
	}
	for flag := range required {
		return fmt.Errorf("%s is missing", flag)
	}
	return fitWords(words, rest)
}

// takesAll reports whether an argument at a place belongs to a command that another program gets, flags and all.
func takesAll(words []string, place int) bool {
	i := slices.IndexFunc(words, func(w string) bool { return strings.Contains(w, "COMMAND...") })
	return i >= 0 && place >= i
}

var placeholder = regexp.MustCompile(`^\[?[A-Z]+(\.\.\.)?\]?$`)

func fitWords(words, rest []string) error {
	for i, word := range words {
		optional, many := strings.HasPrefix(word, "["), strings.Contains(word, "...")
		switch {
		case i >= len(rest) && optional:
			return nil
		case i >= len(rest):
			return fmt.Errorf("%s is missing", word)
		case !placeholder.MatchString(word) && word != rest[i]:
			return fmt.Errorf("%q instead of %s", rest[i], word)
		case many:
			return nil
		}
	}
	if len(rest) > len(words) {
		return fmt.Errorf("%q is too many", rest[len(words)])
	}
	return nil
}

// commandLines takes a text for the shell apart into its commands.
func commandLines(text string) (all []string) {
	text = regexp.MustCompile(`(?m)(^|\s)#.*$`).ReplaceAllString(strings.ReplaceAll(text, "\\\n", " "), "")
	inner := regexp.MustCompile(`\$\(([^()]*)\)`)
	for found := inner.FindStringSubmatch(text); found != nil; found = inner.FindStringSubmatch(text) {
		all = append(all, found[1])
		text = strings.Replace(text, found[0], "SUBSTITUTED", 1)
	}
	for _, line := range regexp.MustCompile(`\n|&&|\|\||;|\|`).Split(text, -1) {
		line = strings.TrimSpace(regexp.MustCompile(`\d?>>? *\S+`).ReplaceAllString(line, ""))
		if line != "" {
			all = append(all, line)
		}
	}
	return all
}

var (
	// prefix is what stands before a command in a line of the shell.
	prefix = regexp.MustCompile(`^((while|until|if|do|then|else|!|\{|[A-Z]+=\S*) +|\( *)+`)
	// skipped is a line of the shell without a command.
	skipped = regexp.MustCompile(`^(for \w+ in .*|do|then|else|done|fi|\)|\}|:|umask \d+|\w+=SUBSTITUTED)$`)
)

// checkCommand says what a program does not know of a command, without running it where that would change the machine.
func checkCommand(line string) error {
	line = prefix.ReplaceAllString(line, "")
	if line == "" || skipped.MatchString(line) {
		return nil
	}
	words := strings.Fields(strings.NewReplacer("'", "", `"`, "").Replace(line))
	switch name := words[0]; name {
	case "harbinger":
		if r := harbinger("", append(words[1:], "--help")...); r.code != 0 {
			return errors.New(r.stderr)
		}
		return nil
	case "nft":
		return feed("add table netdev harbinger-51; add table inet harbinger-balancer-51; add table inet filter; add chain inet filter input; add chain inet filter output; "+strings.Join(words[1:], " "), "nft", "--check", "--file", "-")
	case "iptables", "ip6tables":
		return feed("", append([]string{withoutAlternatives[name]}, words[1:]...)...)
	case "make":
		makefile, err := os.ReadFile("../../../Makefile")
		if err == nil && !strings.Contains(string(makefile), "\n"+words[1]+":") {
			err = errors.New("no target " + words[1])
		}
		return err
	default:
		if slices.Contains(genuine, name) || withoutAlternatives[name] != "" {
			return nil
		}
		return checkUsage(name, words[1:])
	}
}

// feed runs a program in the network of the tests.
func feed(stdin string, command ...string) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// The stand-ins refuse what the programs do not know, or the pages could say anything.
func TestStandInsRefuse(t *testing.T) {
	for command, want := range map[string]string{
		"kubeadm init --control-plane-endpoint 192.168.238.100:4300 --upload-certs": "",
		"kubeadm join 192.168.238.100:4300 --token … --control-plane":               "",
		"kubeadm init --control-plane-endpint 192.168.238.100:4300":                 "no flag --control-plane-endpint",
		"kubeadm init --upload-certs=x":                                             "no flag --upload-certs=x",
		"kubeadm joni":                                                              `"joni" instead of join`,
		"kubeadm init --config":                                                     "--config without a value",
		"kubeadm config migrate --old-config a":                                     "--new-config is missing",
		"systemctl enable --now keepalived haproxy":                                 "",
		"systemctl stop":                                                            "UNIT... is missing",
		"systemctl restart a b":                                                     `"b" is too many`,
		"ctr -n k8s.io run --rm --net-host image name /harbinger manifest --vip x":  "",
		"ctr images import image.tar":                                               "-n is missing",
		"crictl exec $(crictl ps -q --name harbinger) /harbinger status":            "",
		"crictl exec $(crictl ps -q --label harbinger) /harbinger status":           "no flag --label",
		"nft insert rule inet filter input meta l4proto 112 accept":                 "",
		"nft insert rule inet filter input meta l4prot 112 accept":                  "syntax error",
		"iptables -I INPUT -p 112 -j ACCEPT":                                        "",
		"iptables -I INPUT -p 112 -j ACEPT":                                         "ACEPT",
		"harbinger manifest --vip 192.168.238.100/24":                               "",
		"harbinger manifest --vipp 192.168.238.100/24":                              "unknown flag",
		"frobnicate the gateway":                                                    "is no program that the pages may name",
		"mkdir -p /etc/kubernetes && systemctl daemon-relaod":                       `"daemon-relaod" instead of daemon-reload`,
		"echo $(frobnicate) > /dev/null":                                            "is no program",
	} {
		var errs []error
		for _, line := range commandLines(command) {
			errs = append(errs, checkCommand(line))
		}
		err := errors.Join(errs...)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", command, err, want)
		}
	}
}

// What a page says is printed may leave something open, and nothing else.
func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		page, text string
		want       bool
	}{
		{"a\nb\n", "a\nb\n", true},
		{"a\n", "a\nb\n", false},
		{"b\n", "a\nb\n", false},
		{"a … c\n", "a b c\n", true},
		{"a … c\n", "a b d\n", false},
		{"a …\n", "a b\nc\n", false},
		{"a\n…\nd\n", "a\nb\nc\nd\n", true},
		{"a\n…\nd\n", "a\nd\n", true},
		{"a\n…\nd\n", "a\nb\n", false},
		{"a.c\n", "abc\n", false},
	} {
		if got := matches(tt.page, tt.text); got != tt.want {
			t.Errorf("%q matches %q: %v", tt.page, tt.text, got)
		}
	}
}
