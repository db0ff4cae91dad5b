// SPDX-License-Identifier: Apache-2.0

package logging

// The messages of the log. A message is the fixed text of a line; what differs from line to line is in its keys.
const (
	MsgStarted           = "Started"
	MsgStopping          = "Stopping"
	MsgStopped           = "Stopped"
	MsgCloseFailed       = "Close failed"
	MsgNormalScheduling  = "Running with normal scheduling"
	MsgInstanceWaits     = "Waiting for another instance to end"
	MsgInterfaceMissing  = "Waiting for the interface of the virtual addresses"
	MsgConfigChanged     = "Configuration changed"
	MsgConfigNotApplied  = "Configuration change not applied"
	MsgPeersNotChanged   = "Peers not changed"
	MsgStateChanged      = "State changed"
	MsgAlarmRaised       = "Alarm raised"
	MsgActionFailed      = "Action failed"
	MsgActionSucceeds    = "Action succeeds again"
	MsgHandingOver       = "Handing over"
	MsgClaimWatchFailed  = "Watch for foreign claims failed"
	MsgPeerNotAsked      = "Question for a peer failed"
	MsgCredentialsLoaded = "Credentials loaded"
	MsgCredentialsBad    = "Credentials not usable"
	MsgCredentialsExpire = "Credentials expire soon"
	MsgCredentialsOver   = "Credentials expired"
	MsgDiscovered        = "Backends discovered"
	MsgNotDiscovered     = "Apiservers not discovered"
	MsgKnownNotRead      = "Known apiservers not read"
	MsgKnownNotSaved     = "Known apiservers not saved"
	MsgEventDropped      = "Event dropped"
	MsgEventNotSent      = "Event not sent"
	MsgAnyBackend        = "Backend health changed"
	MsgBackendChanged    = "Backend state changed"
	MsgSteeringFailed    = "Steering failed"
	MsgBalancerLost      = "Balancer lost"
	MsgRefusingFailed    = "Refusing connections failed"
	MsgAcceptFailed      = "Accept failed"
	MsgCheckerNotClosed  = "Closing a health checker failed"
	MsgRefused           = "Connection refused"
	MsgMoved             = "Connection moved"
	MsgBroken            = "Connection broken"
	MsgDialFailed        = "Dial failed"
)

// The keys of the log: each names one kind of value, in whatever line it is.
const (
	KeyAction           = "action"
	KeyAddress          = "address"
	KeyBackend          = "backend"
	KeyBackends         = "backends"
	KeyEnable           = "enable"
	KeyEvent            = "event"
	KeyExpires          = "expires"
	KeyFile             = "file"
	KeyFrom             = "from"
	KeyFrontend         = "frontend"
	KeyHardwareAddress  = "hardwareAddress" // of the host that an alarm is about; empty: it is about none, or not known
	KeyHealthy          = "healthy"
	KeyInterface        = "interface"
	KeyKind             = "kind"
	KeyPeer             = "peer"
	KeyPriority         = "priority"
	KeyReason           = "reason"
	KeyRemedy           = "remedy"
	KeyServer           = "server"
	KeyTo               = "to"
	KeyVersion          = "version"
	KeyVirtualAddresses = "virtualAddresses"
	KeyVRID             = "vrid"
)

// Level is how a line is written.
type Level string

// The levels. Detail lines are written with verbosity 1 only.
const (
	Info   Level = "INFO"
	Error  Level = "ERROR"
	Detail Level = "DEBUG"
)

// Line documents one message for the people who read the log.
type Line struct {
	Message string
	Level   Level
	Meaning string // what has happened
	Remedy  string // what to do about it
}

const nothing = "Nothing."

// Lines documents each message, in the order of the constants. The page for users is made from it.
func Lines() []Line {
	return []Line{
		{MsgStarted, Info, "The sidecar runs: the interface was found, the sockets are open, the election begins.", nothing},
		{MsgStopping, Info, "A planned stop was asked for: the addresses are handed over, then open connections drain.", nothing},
		{MsgStopped, Info, "The planned stop is complete.", nothing},
		{MsgCloseFailed, Error, "A socket or a kernel object could not be closed at the end.", "Report it with the error. The kernel closes it when the process ends."},
		{MsgNormalScheduling, Info, "The process could not get real-time scheduling: a busy host may delay advertisements.", "Give the pod the capability SYS_NICE, as the generated pod has it."},
		{MsgInstanceWaits, Info, "Another Harbinger on this host serves the same virtual router ID; this one waits until it has ended.", "Nothing while the pod restarts. Otherwise remove the second pod, or give it another virtual router ID."},
		{MsgInterfaceMissing, Info, "No interface has a subnet that contains the virtual addresses; `reason` says what was found.", "Configure the network of the host, or set `interface`. The sidecar goes on as soon as the interface is there."},
		{MsgConfigChanged, Info, "A changed configuration file is in use now.", nothing},
		{MsgConfigNotApplied, Error, "A changed configuration file is invalid, or changes what only a restart can change. The previous configuration stays in use.", "Correct the file (`harbinger config validate FILE`), or restart the pod."},
		{MsgPeersNotChanged, Error, "The unicast peers of a socket could not be replaced.", "Restart the pod; report the error."},
		{MsgStateChanged, Info, "The election changed its state; `reason` says why. `to: Active` means that this host holds the virtual addresses now.", "Nothing for a planned move. Otherwise look up `reason` in the failure modes."},
		{MsgAlarmRaised, Info, "The election met something that a person should know of; `kind` names it.", "See the alarms below."},
		{MsgActionFailed, Error, "The kernel refused an action of the holder (acquire, refresh, release, advertise, announce). It is logged once until the error changes.", "Follow the error: a missing capability, an interface that is down, a firewall. The election acts by itself when the address cannot be kept."},
		{MsgActionSucceeds, Info, "The action that failed before succeeds again.", nothing},
		{MsgHandingOver, Info, "`harbinger handover` asked this holder to give up the addresses; `to` names the successor, if one was named.", nothing},
		{MsgClaimWatchFailed, Detail, "The socket that watches ARP and neighbour discovery failed, usually because the link went down. It is opened again after a second.", nothing},
		{MsgPeerNotAsked, Detail, "The hardware address of a peer could not be asked for.", nothing},
		{MsgCredentialsLoaded, Info, "A kubeconfig was found and is used for the Lease and for discovery.", nothing},
		{MsgCredentialsBad, Info, "The kubeconfig is there, but cannot be used; `reason` says why. VRRP decides alone, or the previous credentials stay in use.", "Run `harbinger kubeconfig` again on this host."},
		{MsgCredentialsExpire, Info, "The client certificate expires within 30 days, at `expires`.", "Run `harbinger kubeconfig` on a host that has the key of the cluster's CA."},
		{MsgCredentialsOver, Error, "The client certificate has expired: the Lease cannot be used. VRRP decides alone.", "Run `harbinger kubeconfig` on a host that has the key of the cluster's CA."},
		{MsgDiscovered, Info, "The Kubernetes API named these apiservers: they are backends now, beside the configured ones.", nothing},
		{MsgNotDiscovered, Detail, "The apiservers could not be read from the Kubernetes API. The last list stays in use.", nothing},
		{MsgKnownNotRead, Info, "The file with the apiservers of the last run cannot be read.", "Delete the file, if it is damaged. It is written again once the API answers."},
		{MsgKnownNotSaved, Error, "The file with the known apiservers cannot be written: a start without the API would know the configured backends only.", "Free space on the host, or correct the rights of /var/lib/harbinger."},
		{MsgEventDropped, Detail, "Too many Kubernetes Events at a time: this one was left out.", nothing},
		{MsgEventNotSent, Detail, "A Kubernetes Event could not be sent.", nothing},
		{MsgAnyBackend, Info, "The balancer has a healthy backend, or has none any more. Without one this host advertises distress, and another host takes over.", "With `healthy: false` look at the lines of the backends."},
		{MsgBackendChanged, Info, "The health of one backend changed; `reason` is the answer of the check, or what a connection met.", "With `to: Down` look at that apiserver. Sessions to it were closed, unless `onBackendDown` is KeepSessions."},
		{MsgSteeringFailed, Error, "Connections to a shared port could not be led to the balancer, or back. They reach the apiserver of the host itself.", "Give the pod the capability BPF, or set `loadBalancer.steering.mode: NFTables`."},
		{MsgBalancerLost, Info, "The balancer process ended or stood still; it is started again. New connections wait in the listening sockets.", "Nothing, if it happens once. Otherwise report `reason`."},
		{MsgRefusingFailed, Error, "Without a balancer for a longer time new connections should be refused, but the kernel did not allow it: clients wait.", "Report the error; restart the pod."},
		{MsgAcceptFailed, Error, "A listening socket accepts no connection, usually for lack of file descriptors. It is tried again.", "Raise the limit of open files, or lower `loadBalancer.connectionLimits.total`."},
		{MsgCheckerNotClosed, Error, "The connection of a health check could not be closed.", "Report it with the error."},
		{MsgRefused, Detail, "A connection of a client was reset: a limit was reached, or no backend took it; `reason` says which.", nothing},
		{MsgMoved, Detail, "A connection whose backend gave no answer was moved to another backend. The client noticed nothing.", nothing},
		{MsgBroken, Detail, "A connection ended with an error of the client or of the backend.", nothing},
		{MsgDialFailed, Detail, "A backend did not accept a connection; the next one was tried.", nothing},
	}
}
