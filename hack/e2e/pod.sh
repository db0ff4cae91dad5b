#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# shellcheck disable=SC2016  # what is in single quotes belongs to awk and jq
#
# Is what runs what the manifest says? Sourced; needs cluster.sh.

# Capabilities in the order of their numbers in linux/capability.h.
CAPABILITIES=(CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
	NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
	SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
	MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE)

capability_names() { # capability_names <hexadecimal set>: "BPF NET_ADMIN", sorted
	local bit names=()
	for bit in "${!CAPABILITIES[@]}"; do
		((!(16#$1 >> bit & 1))) || names+=("${CAPABILITIES[bit]}")
	done
	printf '%s\n' "${names[@]}" | LC_ALL=C sort | paste -sd' '
}

# host_has <node> <capability…>: a pod can get no more than its host has.
host_has() {
	local node=$1 have name
	shift
	have=" $(capability_names "$(process_field "$node" 1 CapBnd)") "
	for name in "$@"; do
		[[ $have == *" $name "* ]] || {
			say "$node: no CAP_$name"
			return 1
		}
	done
}

process_field() { # process_field <node> <pid> <field of /proc/<pid>/status>
	on "$1" awk -v field="$3:" '$1 == field {print $2}' "/proc/$2/status"
}

# declared <node> <jq expression>: of our container as the kubelet shows it to the API, which is the file it read.
declared() {
	kube get pods -n kube-system --field-selector "spec.nodeName=$1" -o json |
		on_stdin "$1" jq -r --arg image "$HARBINGER_E2E_IMAGE" "
			.items[] | select(.spec.containers[0].image == \$image) | .spec as \$pod | .spec.containers[0] | $2"
}

# pod_as_declared <node> prints what it checked; it fails at the first difference.
pod_as_declared() {
	local node=$1 id pid want have set process seccomp root
	id=$(harbinger_container "$node")
	pid=$(harbinger_pid "$node")

	[[ $(declared "$node" '.securityContext.capabilities.drop | join(" ")') == ALL ]] || {
		say "$node: the manifest does not drop all capabilities first"
		return 1
	}
	want=$(declared "$node" '[.securityContext.capabilities.add[] | ltrimstr("CAP_")] | sort | join(" ")')
	for set in CapBnd CapPrm CapEff; do
		have=$(capability_names "$(process_field "$node" "$pid" "$set")")
		[[ $have == "$want" ]] || {
			say "$node: $set is [$have], the manifest says [$want]"
			return 1
		}
	done
	# A process that Harbinger starts may have given capabilities away, but none can have more.
	for process in $(on "$node" ctr -n k8s.io tasks ps "$id" | awk 'NR > 1 {print $1}'); do
		((!(16#$(process_field "$node" "$process" CapPrm) & ~16#$(process_field "$node" "$pid" CapPrm)))) || {
			say "$node: process $process has capabilities that the container has not"
			return 1
		}
	done

	seccomp=$(declared "$node" '.securityContext.seccompProfile.type // $pod.securityContext.seccompProfile.type // "Unconfined"')
	have=$(process_field "$node" "$pid" Seccomp) # 0: none, 2: a filter
	case $seccomp/$have in
	Unconfined/0 | RuntimeDefault/2 | Localhost/2) ;;
	*)
		say "$node: the manifest says seccomp $seccomp, the kernel says mode $have"
		return 1
		;;
	esac

	[[ $(declared "$node" .securityContext.readOnlyRootFilesystem) == true ]] || {
		say "$node: the manifest does not ask for a read-only root file system"
		return 1
	}
	root=$(on "$node" awk '$5 == "/" {print $6}' "/proc/$pid/mountinfo")
	[[ ,$root, == *,ro,* ]] || {
		say "$node: the root file system is mounted $root"
		return 1
	}
	printf 'capabilities %s; seccomp %s; root %s\n' "$want" "$seccomp" "${root%%,*}"
}

# no_credentials <node> fails if the container can see a key or a token of the API, by a file or by a variable.
no_credentials() {
	local node=$1 pid pattern found
	pid=$(harbinger_pid "$node")
	pattern='PRIVATE KEY|client-key|client-certificate|token:|^token='
	# -I leaves out programs: Go's TLS library contains the words.
	found=$(on "$node" sh -c "cd /proc/$pid/root && find . -xdev -type f -print0 >/tmp/files &&
		grep -v '^.* \(/proc\|/sys\|/dev\)' /proc/$pid/mountinfo | cut -d' ' -f5 | while read -r mount; do
			find \"./\$mount\" -xdev -type f -print0 2>/dev/null
		done >>/tmp/files; xargs -0 --no-run-if-empty grep -lIE '$pattern' </tmp/files; rm -f /tmp/files; true")
	[[ -z $found ]] || {
		say "$node: the container can read a credential: $found"
		return 1
	}
	if on "$node" grep -qaE "$pattern" "/proc/$pid/environ"; then
		say "$node: a variable of the container holds a credential"
		return 1
	fi
	on "$node" test ! -e "/proc/$pid/root/etc/kubernetes/admin.conf" -a ! -e "/proc/$pid/root/etc/kubernetes/super-admin.conf" \
		-a ! -e "/proc/$pid/root/etc/kubernetes/pki/ca.key"
}
