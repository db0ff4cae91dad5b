// SPDX-License-Identifier: Apache-2.0

package logging

// The messages of the log. A message is the fixed text of a line; what differs from line to line is in its keys. The comment of
// each says at which level it is written, what has happened, and what to do about it: the page of the log lines is made from it.
const (
	// MsgStarted (INFO): The sidecar runs: the interface was found, the sockets are open, the election begins. Remedy:
	// Nothing.
	MsgStarted = "Started"
	// MsgStopping (INFO): A planned stop was asked for: the addresses are handed over, then open connections drain. Remedy:
	// Nothing.
	MsgStopping = "Stopping"
	// MsgStopped (INFO): The planned stop is complete. Remedy: Nothing.
	MsgStopped = "Stopped"
	// MsgCloseFailed (ERROR): A socket or a kernel object could not be closed at the end. Remedy: Report it with the error.
	// The kernel closes it when the process ends.
	MsgCloseFailed = "Close failed"
	// MsgNormalScheduling (WARN): The process could not get real-time scheduling: a busy host may delay advertisements. `fence` is after
	// how long without a refresh the virtual addresses are closed on this host: later than with it, and so is a takeover after a crash.
	// Remedy: Give the pod the capability SYS_NICE, as the generated pod has it.
	MsgNormalScheduling = "Running with normal scheduling"
	// MsgInstanceWaits (INFO): Another Harbinger on this host serves the same virtual router ID; this one waits until it has
	// ended. Remedy: Nothing while the pod restarts. Otherwise remove the second pod, or give it another virtual router ID.
	MsgInstanceWaits = "Waiting for another instance to end"
	// MsgLockSquatted (WARN): A process that is not root's has the name of the socket by which instances of Harbinger on one host
	// exclude each other; `reason` names it. Nothing waits for it: the lock has another name. Remedy: Find out what that process is for.
	MsgLockSquatted = "Lock taken by another user"
	// MsgInterfaceMissing (WARN): No interface has a subnet that contains the virtual addresses; `reason` says what was found.
	// Remedy: Configure the network of the host, or set `interface`. The sidecar goes on as soon as the interface is there.
	MsgInterfaceMissing = "Waiting for the interface of the virtual addresses"
	// MsgRoutingDiffers (WARN): A routing rule of the host sends the answers from a virtual address another way than those from the
	// address of the host: clients behind that way do not reach the virtual address. `reason` names both ways, and a rule that
	// makes them the same. It is looked at once, at the start. Remedy: Add the rule, and make it permanent.
	MsgRoutingDiffers = "Virtual address is routed differently"
	// MsgLinkChanged (INFO): The interface of the virtual addresses has another name, hardware address or own address, or they
	// have moved to another interface, such as a bridge. The sidecar goes on with it. Remedy: Nothing. Where `election.vrrp.peers`
	// names the old address, name the new one on every node.
	MsgLinkChanged = "Interface changed"
	// MsgLinkNotFollowed (ERROR): A socket could not be opened for a changed interface. It is tried again every second; after
	// 10 s the process ends, to be started again. Remedy: Follow the error.
	MsgLinkNotFollowed = "Interface change not followed"
	// MsgStrayAddress (WARN): A virtual address was on this host that this process has not added; it was removed, or `reason` says
	// why not. It is looked for again after 10 s. Remedy: Remove it from the configuration of the network (netplan,
	// NetworkManager), or stop what adds it (an old keepalived).
	MsgStrayAddress = "Stray virtual address"
	// MsgPredecessorHolds (INFO): `election.lease.predecessor` names the Lease of kube-vip, and this node takes no virtual address and removes
	// none before that is released; `reason` says which node has it, or why it cannot be read. Remedy: Stop kube-vip on every node, that of the holder
	// last. Where the Lease cannot be read, run `harbinger kubeconfig` with the same configuration.
	MsgPredecessorHolds = "Waiting for the predecessor"
	// MsgPredecessorOver (INFO): kube-vip has given up its Lease, which Harbinger holds from now on. Remedy: Remove what is left of
	// kube-vip on every node, then `election.lease.predecessor`.
	MsgPredecessorOver = "Predecessor is over"
	// MsgConfigChanged (INFO): A changed configuration file is in use now. Remedy: Nothing.
	MsgConfigChanged = "Configuration changed"
	// MsgConfigNotApplied (ERROR): A changed configuration file is invalid, or changes what only a restart can change. The
	// previous configuration stays in use. Remedy: Correct the file (`harbinger config validate FILE`), or restart the pod.
	MsgConfigNotApplied = "Configuration change not applied"
	// MsgPasswordMissing (WARN): The file with the password of VRRP version 2 is missing, or cannot be used; `reason` says why. The
	// sidecar waits for it. Remedy: Write the password to the file, for root alone (mode 0600).
	MsgPasswordMissing = "Waiting for the password"
	// MsgKeysMissing (WARN): The file of a key of signed advertisements is missing, or cannot be used; `reason` says which and why. The
	// sidecar waits for it and does not take part in the election. Remedy: Write each key to its file, for root alone (mode 0600).
	MsgKeysMissing = "Waiting for the keys"
	// MsgKeysChanged (INFO): Advertisements are signed and checked with other keys, or in another mode, from now on; `keys` are the ids of
	// those that are accepted, `activeKey` is the one that signs. Remedy: Nothing.
	MsgKeysChanged = "Keys changed"
	// MsgKeysNotChanged (ERROR): The files have other keys, but they cannot be used together. The keys before stay in use. Remedy: Follow
	// the error.
	MsgKeysNotChanged = "Keys not changed"
	// MsgSignatureRefused (WARN): Advertisements are refused for their signature; `reason` is the label of the metric, `peer` the source of
	// the last one. It is written again when one comes after a minute without. Remedy: hmac_missing: the peer does not sign: correct its
	// mode. hmac_unknown_key and hmac_invalid: give all nodes the same keys under the same ids, or find out who sends. hmac_stale: put the clocks
	// right. hmac_replay: nothing, if a clock was put back; otherwise somebody repeats what was sent.
	MsgSignatureRefused = "Signature refused"
	// MsgClockSkewed (WARN): The clock of a peer differs from that of this node by more than half of the window of signed
	// advertisements; `skew` is by how much it is ahead. Beyond the window its advertisements are refused. Remedy: Put the clocks right (chrony,
	// systemd-timesyncd).
	MsgClockSkewed = "Clock of a peer differs"
	// MsgClockUnsynchronised (WARN): The kernel of this host knows that nothing keeps its clock right, on which signed advertisements
	// depend. Remedy: Start a client of NTP (chrony, systemd-timesyncd); at a boot, nothing: it takes a while.
	MsgClockUnsynchronised = "Clock not synchronised"
	// MsgSigningStateUnread (WARN): What the process before had signed and accepted last cannot be read; `reason` says why. The sidecar
	// goes on without it: a recorded advertisement of the last seconds may pass once more. Remedy: Nothing, if it happens once. Otherwise
	// see who writes to the file.
	MsgSigningStateUnread = "State of the signatures not read"
	// MsgSigningStateUnkept (WARN): What was signed and accepted last cannot be written for the next process. Remedy: Write ha.yaml anew
	// with `harbinger manifest`, which mounts /run/harbinger.
	MsgSigningStateUnkept = "State of the signatures not kept"
	// MsgFileUnusable (WARN): A file of the host is missing, empty or half-written; `reason` says which. What was read from it
	// before stays in use. Remedy: Nothing, if it is being replaced, or before kubeadm init. Otherwise correct the file.
	MsgFileUnusable = "File not usable"
	// MsgFileReplaced (ERROR): A file, or the directory that is mounted into the pod, was replaced on the host, and the pod sees
	// the old one until its container is made anew. The pod has the kubelet do that by failing `/livez`: one node after the other,
	// the holder last and only where the old file did harm. No certificate is refused by an old CA file. Remedy: Write ha.yaml anew with
	// `harbinger manifest`, which mounts the directory of the file; or restart the pod.
	MsgFileReplaced = "File replaced on the host"
	// MsgPeersNotChanged (ERROR): The unicast peers of a socket could not be replaced. Remedy: Restart the pod; report the
	// error.
	MsgPeersNotChanged = "Peers not changed"
	// MsgStateChanged (INFO): The election changed its state; `reason` says why, `lasted` how long the former state had lasted. `to: Active` means that this host holds the
	// virtual addresses now. Remedy: Nothing for a planned move. Otherwise look up `reason` in the failure modes.
	MsgStateChanged = "State changed"
	// MsgAddressesAdded (INFO): This node has taken the virtual addresses: they are in the kernel and announced to the neighbours.
	// `lasted` is the time from the first to the last of that, `unserved` for how long nobody served before as far as this node knows, and `evidence` what
	// it had found out. Remedy: Nothing.
	MsgAddressesAdded = "Virtual addresses added and announced"
	// MsgAddressesRestored (WARN): The virtual addresses of this holder were gone from the kernel, or the interface has changed: they
	// are there again and announced. Remedy: Nothing beside `Interface changed`. Otherwise find what removes addresses on this host (a
	// network manager, a script).
	MsgAddressesRestored = "Virtual addresses added again"
	// MsgAddressesRemoved (INFO): This node has removed the virtual addresses; `lasted` is for how long it held them. Remedy: Nothing.
	MsgAddressesRemoved = "Virtual addresses removed"
	// MsgHolderChanged (INFO): This Backup hears another holder of the virtual addresses than before; `silence` is how long none was
	// heard in between. Remedy: Nothing for a planned move. Otherwise read the log of `from`.
	MsgHolderChanged = "Holder changed"
	// MsgLeaseTaken (INFO): This node holds the Lease now, with the epoch in `epoch`; `from` held it before. Remedy: Nothing.
	MsgLeaseTaken = "Lease taken"
	// MsgLeaseReleased (INFO): This node has given the Lease back, so that another one need not wait. Remedy: Nothing.
	MsgLeaseReleased = "Lease released"
	// MsgLeaseLost (WARN or INFO): Another node has taken the Lease that this one held; INFO where that node was invited or ranks higher.
	// Remedy: Nothing at INFO. At WARN see in the lines before why this node did not renew it: the API, or what kept it from running.
	MsgLeaseLost = "Lease lost"
	// MsgAPILost (WARN): The Kubernetes API does not answer since `since`; `reason` says what each apiserver did. VRRP decides alone, and
	// clients are served. Remedy: Look at the apiservers and at etcd; where the reason is the credentials, run `harbinger kubeconfig`.
	MsgAPILost = "Kubernetes API lost"
	// MsgAPIBack (INFO): The Kubernetes API answers again; `lasted` is how long it did not. Remedy: Nothing.
	MsgAPIBack = "Kubernetes API back"
	// MsgArbiterChanged (INFO): Another arbiter decides who holds the virtual addresses: `lease` or `vrrp`, which decides alone while the
	// Lease cannot be used. Remedy: Nothing with `to: lease`. Otherwise see the lines about the Kubernetes API.
	MsgArbiterChanged = "Arbiter changed"
	// MsgAlarmRaised (ERROR or WARN): Something is wrong that a person should know of; `kind` names it. It is written when it begins and
	// when another host is met, not while it lasts. ERROR says that clients may not be served. Remedy: As `remedy` says; see the alarms below.
	MsgAlarmRaised = "Alarm raised"
	// MsgAlarmCleared (INFO): What `kind` names is over; `lasted` is how long it was there. Remedy: Nothing.
	MsgAlarmCleared = "Alarm cleared"
	// MsgFiltered (WARN): Advertisements (`protocol` 112) or the identity port of a node do not pass between this node and `peer`.
	// `direction` is `in` where this host drops what arrives, `out` where it does not let out what it sends, `unknown` where it may
	// be the other host or the network. No address moves because of that. Remedy: One of the commands in `remedy`, on the host that
	// `reason` names: the first with firewalld, the second in your own chain of nftables. Make it permanent.
	MsgFiltered = "Filtered"
	// MsgNotFiltered (INFO): What was filtered passes again, or is found at another place. Remedy: Nothing.
	MsgNotFiltered = "Not filtered any more"
	// MsgActionFailed (ERROR): The kernel refused an action of the holder (acquire, refresh, release, advertise, announce). It
	// is logged once until the error changes. Remedy: Follow the error: a missing capability, an interface that is down, a
	// firewall. The election acts by itself when the address cannot be kept.
	MsgActionFailed = "Action failed"
	// MsgActionSucceeds (INFO): The action that failed before succeeds again. Remedy: Nothing.
	MsgActionSucceeds = "Action succeeds again"
	// MsgElectionFailed (ERROR): A socket or a question of the election failed in a way that it does not go on with, or the program
	// has a fault, whose `stack` is given. A holder hands over as at a planned stop, then the process ends with the error, to be
	// started again. Remedy: Report it with the stack.
	MsgElectionFailed = "Election failed"
	// MsgPartFailed (ERROR): The named part of the keeper failed. It is started again; where that does not help, or the program has
	// a fault, whose `stack` is given, a holder hands over as at a planned stop, and the process ends with the error, to be started
	// again. Remedy: Follow the error. Report it where there is a stack.
	MsgPartFailed = "Part failed"
	// MsgPortTaken (ERROR): A port that Harbinger listens on could not be opened; `reason` says what it is for and, as far as the pod
	// sees it, who has it: often an outgoing connection of this host. The node is a Backup in distress until the port is free, but for
	// that of the status, and is not ready. Remedy: Nothing, if it is a connection that ends. Otherwise stop the other program, or
	// choose another port. Reserve the port: `harbinger preflight` has the line for sysctl.
	MsgPortTaken = "Port taken"
	// MsgPortOpened (INFO): The port that could not be opened before is open now; `reason` says what it is for. Remedy: Nothing.
	MsgPortOpened = "Port opened"
	// MsgFenceMissing (WARN): There is no fence on this host, or it is not on every interface; `reason` says why. Where this host holds the
	// virtual addresses and its process is killed or frozen, they answer until their lifetime in the kernel ends, after 1 to 3.1 s. The fence is
	// tried again every 10 s. Remedy: By `reason`: `modprobe nf_tables`, the capability NET_ADMIN and the seccomp profile of the runtime, or remove
	// the tc filter that redirects what arrives.
	MsgFenceMissing = "Fence missing"
	// MsgFenceThere (INFO): The fence that was missing is there. Remedy: Nothing.
	MsgFenceThere = "Fence there"
	// MsgFenceReplaced (WARN): Something on this host had removed the fence, which was put back at the next renewal. Clients have not noticed. Remedy: Find what flushes
	// the rules of nftables (`nft flush ruleset`, at the start of a file in /etc/nftables.conf), and have it flush its own tables alone.
	MsgFenceReplaced = "Fence put back"
	// MsgHandingOver (INFO): `harbinger handover` asked this holder to give up the addresses; `to` names the successor, if one
	// was named. Remedy: Nothing.
	MsgHandingOver = "Handing over"
	// MsgSettled (INFO): Before a planned move, transfers by the virtual addresses were given time to end, at most
	// `loadBalancer.drain.timeout`. `lasted` is how long that took. Remedy: Nothing.
	MsgSettled = "Transfers had time before the move"
	// MsgSessionsNotEnded (ERROR): The sessions of the virtual addresses could not be reset before the addresses left this host:
	// their clients find out by their own timeouts. Remedy: Follow the error.
	MsgSessionsNotEnded = "Sessions not ended"
	// MsgClaimWatchFailed (DEBUG+3): The socket that watches ARP and neighbour discovery failed, usually because the link went
	// down. It is opened again after a second. Remedy: Nothing.
	MsgClaimWatchFailed = "Watch for foreign claims failed"
	// MsgPeerNotAsked (DEBUG+3): The hardware address of a peer could not be asked for. Remedy: Nothing.
	MsgPeerNotAsked = "Question for a peer failed"
	// MsgCredentialsLoaded (INFO): A kubeconfig was found and is used for the Lease and for discovery. Remedy: Nothing.
	MsgCredentialsLoaded = "Credentials loaded"
	// MsgCredentialsBad (WARN): The kubeconfig is there, but cannot be used; `reason` says why. VRRP decides alone, or the
	// previous credentials stay in use. Remedy: Run `harbinger kubeconfig` again on this host.
	MsgCredentialsBad = "Credentials not usable"
	// MsgCredentialsExpire (WARN): The client certificate expires within 30 days, at `expires`. Remedy: Run `harbinger
	// kubeconfig` on a host that has the key of the cluster's CA.
	MsgCredentialsExpire = "Credentials expire soon"
	// MsgCredentialsOver (ERROR): The client certificate has expired: the Lease cannot be used. VRRP decides alone. Remedy:
	// Run `harbinger kubeconfig` on a host that has the key of the cluster's CA.
	MsgCredentialsOver = "Credentials expired"
	// MsgDiscovered (INFO): The Kubernetes API named these apiservers: they are backends now, in addition to the configured ones.
	// Remedy: Nothing.
	MsgDiscovered = "Backends discovered"
	// MsgPeersProved (INFO): A discovered apiserver proved by its certificate that it belongs to the cluster, and is on the link: it
	// is one of `peers` now, whose advertisements count. Remedy: Nothing.
	MsgPeersProved = "Discovered peers proved"
	// MsgBackendsLeftOut (WARN): Some of the apiservers that the configuration or the Kubernetes API name are not used; `reason`
	// says which, and why: they lead back to Harbinger itself, cannot be apiservers, or are more than 64. At most once a minute.
	// Remedy: Give the addresses and the port of the apiservers in `loadBalancer.backends`; look who wrote the EndpointSlices of the
	// Service default/kubernetes.
	MsgBackendsLeftOut = "Backends left out"
	// MsgNotDiscovered (DEBUG+3): The apiservers could not be read from the Kubernetes API. The last list stays in use. Remedy:
	// Nothing.
	MsgNotDiscovered = "Apiservers not discovered"
	// MsgKnownNotRead (WARN): The file with the apiservers of the last run cannot be read. Remedy: Delete the file, if it is
	// damaged. It is written again once the API answers.
	MsgKnownNotRead = "Known apiservers not read"
	// MsgKnownNotSaved (ERROR): The file with the known apiservers cannot be written: a start without the API would know the
	// configured backends only. Remedy: Free space on the host, or correct the rights of /var/lib/harbinger.
	MsgKnownNotSaved = "Known apiservers not saved"
	// MsgEventDropped (DEBUG+3): Too many Kubernetes Events at a time: this one was left out. Remedy: Nothing.
	MsgEventDropped = "Event dropped"
	// MsgEventNotSent (DEBUG+3): A Kubernetes Event could not be sent. Remedy: Nothing.
	MsgEventNotSent = "Event not sent"
	// MsgAnyBackend (ERROR or INFO): The balancer has a healthy backend, or has none any more. Without one this host advertises
	// distress, and another host takes over. Remedy: With `healthy: false` look at the lines of the backends.
	MsgAnyBackend = "Backend health changed"
	// MsgDegraded (ERROR or INFO): No backend is healthy, and the balancer goes on with those that still accept connections; `reason` says
	// what is wrong with each. With `degraded: false` that is over. Remedy: Look at the apiservers and at etcd. Where the reasons
	// are certificates, look at `healthCheck.caFile`.
	MsgDegraded = "Backends degraded"
	// MsgBackendChanged (WARN or INFO): The health of one backend changed; `reason` is the answer of the check, or what a connection
	// met. Remedy: With `to: Down` look at that apiserver. Sessions to it were closed, unless `onBackendDown` is KeepSessions.
	MsgBackendChanged = "Backend state changed"
	// MsgSteeringFailed (ERROR): Connections to a shared port could not be led to the balancer, or back. They reach the
	// apiserver of the host itself. Remedy: Give the pod the capability BPF, or set `loadBalancer.steering.mode: NFTables`.
	MsgSteeringFailed = "Steering failed"
	// MsgKernelPasses (INFO): The kernel passes connections on, to so many `backends` for a start (`loadBalancer.mode: Kernel`). Remedy: Nothing.
	MsgKernelPasses = "Kernel passes connections on"
	// MsgKernelCannot (WARN): `loadBalancer.mode` is Kernel, and the balancer process relays all the same; `reason` says what the kernel
	// lacks. It is asked again every 10 s. Remedy: By `reason`, or set `loadBalancer.mode: Relay`.
	MsgKernelCannot = "Connections relayed instead of by the kernel"
	// MsgKernelEnded (INFO): The kernel has forgotten the `count` connections with `backends`, which are dead or in maintenance: their clients are reset with
	// the next packet that they send. Remedy: Look at these apiservers, unless it was `harbinger backend`.
	MsgKernelEnded = "Connections with backends ended"
	// MsgKernelFailed (ERROR): The rules or the connections of the mode Kernel could not be removed. It is tried again every second.
	// Remedy: Follow the error; `harbinger cleanup` removes the rules when the pod has ended.
	MsgKernelFailed = "Kernel mode not cleaned up"
	// MsgBalancerLost (WARN): The balancer process ended or hung; it is started again. New connections wait in the
	// listening sockets. Remedy: Nothing, if it happens once. Otherwise report `reason`.
	MsgBalancerLost = "Balancer lost"
	// MsgBalancerSlow (WARN): The balancer process sends no reports, as it gets too little CPU time for them. It is left alone: it
	// serves as well as it can, and another one would get no more. Remedy: Find what uses the CPU, or raise the CPU limit of the pod.
	MsgBalancerSlow = "Balancer short of processor time"
	// MsgBalancerUnconfined (WARN): The balancer process, which reads what any client sends, may do more than it needs: `reason` says what,
	// and what was refused. It serves all the same. Remedy: Write the manifest anew with `harbinger manifest`: an older one does not
	// have the capabilities SETUID, SETGID, SETPCAP and KILL, with which the keeper takes everything from the balancer.
	MsgBalancerUnconfined = "Balancer keeps privileges"
	// MsgConnectionsLimited (WARN): The balancer process takes fewer connections at a time than `loadBalancer.connectionLimits.total` says:
	// `limit`, for the reason in `reason`. Connections above that are reset. Remedy: Raise the hard limit of open files of the container runtime
	// (`LimitNOFILE` of its unit), or lower `loadBalancer.connectionLimits.total` to what is there.
	MsgConnectionsLimited = "Fewer connections than configured"
	// MsgCallsUnfiltered (DEBUG+3): The kernel takes no filter of system calls from the balancer process; `reason` says why. The keeper
	// says what the process keeps. Remedy: Nothing, or a kernel with CONFIG_SECCOMP_FILTER.
	MsgCallsUnfiltered = "System calls not filtered"
	// MsgBalancerScheduling (WARN): The kernel lets the balancer process not set its scheduling, as a seccomp filter of the container may:
	// it goes on with that of the keeper. Remedy: Let the filter pass `sched_setattr`; the default profile of containerd, CRI-O and
	// Docker does, for a pod with the capability SYS_NICE.
	MsgBalancerScheduling = "Balancer keeps the scheduling of the keeper"
	// MsgBalancerReports (INFO): The balancer process that was short of CPU reports again. Remedy: Nothing.
	MsgBalancerReports = "Balancer reports again"
	// MsgRefusingFailed (ERROR): Without a balancer for a longer time new connections should be refused, but the kernel did
	// not allow it: clients wait. Remedy: Report the error; restart the pod.
	MsgRefusingFailed = "Refusing connections failed"
	// MsgAcceptFailed (ERROR): A listening socket accepts no connection, usually for lack of file descriptors, or because
	// somebody has shut it (`ss -K`). It is tried again. Remedy: Raise the limit of open files, or lower `loadBalancer.connectionLimits.total`.
	MsgAcceptFailed = "Accept failed"
	// MsgCheckerNotClosed (ERROR): The connection of a health check could not be closed. Remedy: Report it with the error.
	MsgCheckerNotClosed = "Closing a health checker failed"
	// MsgBackendOrdered (INFO): `harbinger backend` has taken a backend out or back, or a backend that was out is none any more, which
	// `reason` says. Remedy: Nothing. `harbinger backend` lists what is out, until the keeper ends.
	MsgBackendOrdered = "Backend ordered"
	// MsgRebalanced (INFO): Idle sessions were closed, so that their clients connect again, to a backend that has come back
	// (`loadBalancer.rebalance`); `ended` is how many. Remedy: Nothing.
	MsgRebalanced = "Sessions rebalanced"
	// MsgConnectionEnded (INFO): A connection of a client has ended (`loadBalancer.accessLog`); `reason` says why, `connected` and
	// `answered` how long after its begin the backend accepted it and sent its first byte. Remedy: Nothing; a backend that ends
	// connections has a reason in its own log.
	MsgConnectionEnded = "Connection ended"
	// MsgSourceLimit (WARN): An address has as many connections as one may have (`loadBalancer.connectionLimits.perSource`); more are
	// reset. The line comes once a minute for each address. Remedy: Look at what runs there. Where it speaks for many clients, as a NAT
	// does, name its network in `loadBalancer.connectionLimits.unlimitedSources`.
	MsgSourceLimit = "Source has too many connections"
	// MsgConnectionLimit (WARN): There are as many connections as there may be (`loadBalancer.connectionLimits.total`, or what the file
	// descriptors allow); more are reset. The line comes once a minute. Remedy: Raise the limit, or that of open files.
	MsgConnectionLimit = "Connection limit reached"
	// MsgMoved (DEBUG+3): A connection whose backend gave no answer was moved to another backend. The client noticed nothing.
	// Remedy: Nothing.
	MsgMoved = "Connection moved"
	// MsgDialFailed (DEBUG+3): A backend did not accept a connection; the next one was tried. Remedy: Nothing.
	MsgDialFailed = "Dial failed"
)

// The keys of the log: each names one kind of value, in whatever line it is.
const (
	KeyAction           = "action"           // What failed: acquire, refresh, release, advertise, announce.
	KeyActiveKey        = "activeKey"        // The id of the key that signs advertisements.
	KeyAddress          = "address"          // The address and port of a client, or of a port of Harbinger's own.
	KeyAddresses        = "addresses"        // The own addresses of this node in the subnets of the virtual addresses.
	KeyAnswered         = "answered"         // How long after the begin of a connection its backend sent the first byte.
	KeyBackend          = "backend"          // The address and port of an apiserver.
	KeyBackends         = "backends"         // The apiservers, or how many there are.
	KeyConnected        = "connected"        // How long after the begin of a connection a backend accepted it.
	KeyCount            = "count"            // How many there are.
	KeyDegraded         = "degraded"         // Whether the balancer goes on with backends that are not healthy.
	KeyDirection        = "direction"        // Of filtered traffic: in, out or unknown.
	KeyEnded            = "ended"            // How many connections were closed.
	KeyEnable           = "enable"           // Whether connections should be led to the balancer.
	KeyEpoch            = "epoch"            // Of the Lease: each claim has a higher one.
	KeyEvent            = "event"            // The reason of a Kubernetes Event.
	KeyEvidence         = "evidence"         // What a node had found out when it took the virtual addresses.
	KeyExpires          = "expires"          // When a certificate expires.
	KeyFence            = "fence"            // After how long without a refresh the virtual addresses are closed.
	KeyFile             = "file"             // The path of a file.
	KeyFrom             = "from"             // The state, the backend or the node before.
	KeyFrontend         = "frontend"         // The address and port of a listening socket.
	KeyHardwareAddress  = "hardwareAddress"  // The hardware address of a foreign host.
	KeyHealthy          = "healthy"          // Whether the balancer has a healthy backend.
	KeyInterface        = "interface"        // The name of a network interface.
	KeyKeys             = "keys"             // The ids of the keys of signed advertisements.
	KeyKind             = "kind"             // Which alarm, or which kind of steering.
	KeyLasted           = "lasted"           // How long something took, or the state before lasted.
	KeyLimit            = "limit"            // How many connections there may be.
	KeyMode             = "mode"             // Of signed advertisements: Enforce, Permissive or ReceiveOnly.
	KeyPart             = "part"             // The part of the keeper.
	KeyPeer             = "peer"             // The address of another node.
	KeyPeers            = "peers"            // The addresses of the nodes.
	KeyPriority         = "priority"         // The configured priority of this node.
	KeyProcess          = "process"          // The ID of a process.
	KeyProtocol         = "protocol"         // What is filtered: 112, or TCP and a port.
	KeyReason           = "reason"           // Why, in words.
	KeyReceived         = "received"         // Bytes from a client.
	KeyRefused          = "refused"          // Connections that were reset since the last such line.
	KeyRemedy           = "remedy"           // What to do.
	KeyRetries          = "retries"          // How often another backend took over.
	KeySent             = "sent"             // Bytes to a client.
	KeyServer           = "server"           // The URL of an apiserver.
	KeySilence          = "silence"          // For how long no holder was heard.
	KeySince            = "since"            // When something began.
	KeySkew             = "skew"             // By how much the clock of a peer is ahead of this node's.
	KeyStack            = "stack"            // Where in the program a fault is; empty for other errors.
	KeySuppressed       = "suppressed"       // Lines of this kind that were left out before.
	KeyTo               = "to"               // The state, the backend or the node after.
	KeyUnserved         = "unserved"         // How long nobody served: from the last sign of a holder to the first of the next.
	KeyVersion          = "version"          // The version of Harbinger.
	KeyVirtualAddresses = "virtualAddresses" // The virtual addresses.
	KeyVRID             = "vrid"             // The virtual router ID.
)
