// SPDX-License-Identifier: Apache-2.0

package kubevip_test

// The shapes that kube-vip is run in.

// arpAndBalancer is as kube-vip v0.8 and later makes it, with ARP and the balancer.
const arpAndBalancer = `apiVersion: v1
kind: Pod
metadata:
  creationTimestamp: null
  name: kube-vip
  namespace: kube-system
spec:
  containers:
  - args:
    - manager
    env:
    - name: vip_arp
      value: "true"
    - name: port
      value: "6443"
    - name: vip_nodename
      valueFrom:
        fieldRef:
          fieldPath: spec.nodeName
    - name: vip_interface
      value: ens160
    - name: vip_subnet
      value: "24"
    - name: dns_mode
      value: first
    - name: cp_enable
      value: "true"
    - name: cp_namespace
      value: kube-system
    - name: vip_leaderelection
      value: "true"
    - name: vip_leasename
      value: plndr-cp-lock
    - name: vip_leaseduration
      value: "5"
    - name: vip_renewdeadline
      value: "3"
    - name: vip_retryperiod
      value: "1"
    - name: lb_enable
      value: "true"
    - name: lb_port
      value: "4300"
    - name: lb_fwdmethod
      value: masquerade
    - name: address
      value: 192.168.238.100
    - name: prometheus_server
      value: :2112
    image: registry.example.org/kube-vip:v0.9.2
    imagePullPolicy: IfNotPresent
    name: kube-vip
    securityContext:
      capabilities:
        add: [NET_ADMIN, NET_RAW]
        drop: [ALL]
    volumeMounts:
    - mountPath: /etc/kubernetes/admin.conf
      name: kubeconfig
  hostAliases:
  - hostnames: [kubernetes]
    ip: 127.0.0.1
  hostNetwork: true
  volumes:
  - hostPath:
      path: /etc/kubernetes/admin.conf
    name: kubeconfig
status: {}
`

// version03 has the names of kube-vip v0.3.
const version03 = `apiVersion: v1
kind: Pod
metadata: {name: kube-vip, namespace: kube-system}
spec:
  containers:
  - name: kube-vip
    image: registry.example.org/plndr/kube-vip:v0.3.4
    args: [manager]
    env:
    - {name: vip_arp, value: "true"}
    - {name: vip_interface, value: bond0}
    - {name: port, value: "7443"}
    - {name: vip_cidr, value: "32"}
    - {name: cp_enable, value: "true"}
    - {name: cp_namespace, value: control-plane}
    - {name: vip_ddns, value: "false"}
    - {name: vip_leaderelection, value: "true"}
    - {name: vip_leaseduration, value: "15"}
    - {name: vip_renewdeadline, value: "10"}
    - {name: vip_retryperiod, value: "2"}
    - {name: vip_address, value: 192.168.238.100}
`

// daemonSet is an addon of k3s or RKE2, beside a DaemonSet for Services and what else is in such files.
const daemonSet = `# As an addon of k3s or RKE2.
apiVersion: v1
kind: ServiceAccount
metadata:
  name: kube-vip
  namespace: kube-system
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: system:kube-vip-role
rules:
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, update]
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: kube-vip-ds
  namespace: kube-system
spec:
  selector:
    matchLabels: {name: kube-vip-ds}
  template:
    metadata:
      labels: {name: kube-vip-ds}
    spec:
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
            - matchExpressions: [{key: node-role.kubernetes.io/control-plane, operator: Exists}]
      containers:
      - args: [manager, --prometheusHTTPServer, ":2112", --leaseName=east-lock]
        env:
        - name: vip_arp
          value: "true"
        - name: cp_enable
          value: "true"
        - name: svc_enable
          value: "false"
        - name: vip_preserve_on_leadership_loss
          value: "true"
        - name: address
          value: 192.168.238.100,fd00::100
        - name: vip_subnet
          value: "24,64"
        image: registry.example.org/kube-vip/kube-vip:v1.0.0
        name: kube-vip
      hostNetwork: true
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: kube-vip-services
spec:
  template:
    spec:
      containers:
      - name: kube-vip
        image: registry.example.org/kube-vip/kube-vip:v1.0.0
        args: [manager]
        env:
        - {name: vip_arp, value: "true"}
        - {name: svc_enable, value: "true"}
        - {name: cp_enable, value: "false"}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: kube-vip-cloud-provider
spec:
  template:
    spec:
      containers:
      - name: kube-vip-cloud-provider
        image: registry.example.org/kube-vip/kube-vip-cloud-provider:v0.0.12
        args: [--leader-elect-resource-name=kube-vip-cloud-controller]
`

// clusterAPI has the pod in a file of a template, which a script changes.
const clusterAPI = `apiVersion: controlplane.cluster.x-k8s.io/v1beta1
kind: KubeadmControlPlane
metadata:
  name: east
spec:
  kubeadmConfigSpec:
    clusterConfiguration:
      apiServer:
        extraArgs: {audit-log-maxage: "30"}
    files:
    - content: |
        #!/bin/sh
        # kube-vip: the super-admin of the first node
        sed -i 's#path: /etc/kubernetes/admin.conf#path: /etc/kubernetes/super-admin.conf#' /etc/kubernetes/manifests/kube-vip.yaml
      owner: root:root
      path: /etc/kube-vip-prepare.sh
    - content: |
        apiVersion: v1
        kind: Pod
        metadata:
          name: kube-vip
          namespace: kube-system
        spec:
          containers:
          - args:
            - manager
            env:
            - name: cp_enable
              value: "true"
            - name: vip_interface
              value: ""
            - name: address
              value: 192.168.238.100
            - name: port
              value: "6443"
            - name: vip_arp
              value: "true"
            - name: vip_leaderelection
              value: "true"
            image: registry.example.org/kube-vip/kube-vip:v0.8.9
            name: kube-vip
      owner: root:root
      path: /etc/kubernetes/manifests/kube-vip.yaml
    preKubeadmCommands:
    - /etc/kube-vip-prepare.sh
`

// helmChart has the values of the chart in a text.
const helmChart = `apiVersion: helm.cattle.io/v1
kind: HelmChart
metadata:
  name: kube-vip
spec:
  chart: kube-vip
  valuesContent: |-
    config:
      address: 192.168.238.100
    env:
      vip_interface: eth0
      vip_arp: "true"
      lb_enable: "true"
      lb_port: "6443"
      vip_cidr: "32"
      cp_enable: "true"
      svc_enable: "false"
      vip_leaderelection: "true"
`

// environment is for a unit of systemd.
const environment = `# for a unit of systemd
export vip_arp=true
vip_interface="eth0"
address='192.168.238.100'   
port=6443 # of the apiserver
cp_enable=true
vip_leasename=east-lock
`
