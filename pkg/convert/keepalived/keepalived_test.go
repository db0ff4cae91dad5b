// SPDX-License-Identifier: Apache-2.0

package keepalived_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/e2e/converttest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/keepalived"
)

func instance(settings string) string {
	return "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n 10.0.0.100/24\n }\n" + settings + "\n}\n"
}

func TestKeepalived(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		change    func(*v1alpha1.HarbingerConfiguration)
		warnings  []string
	}{
		{"defaults of keepalived", instance(""), func(*v1alpha1.HarbingerConfiguration) {}, nil},
		{"version 3", "global_defs { vrrp_version 3 }\n" + instance("advert_int 0.1\nv3_checksum_as_v2\nstate BACKUP"), func(c *v1alpha1.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval, c.Election.VRRP.Checksum = 3, converttest.Seconds(.1), "RFC9568"
		}, nil},
		{"global_defs after the instance", instance("") + "global_defs\n{\nvrrp_version 3\n}", func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Version = 3 }, nil},
		{"version of the instance", "global_defs { vrrp_version 3 }\n" + instance("version 2"), func(*v1alpha1.HarbingerConfiguration) {}, nil},
		{"checksum in version 2", instance("v3_checksum_as_v2 on"), func(*v1alpha1.HarbingerConfiguration) {}, nil},
		{"no preemption", instance("nopreempt"), func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Preempt = new(false) }, nil},
		{"preemption", instance("preempt_delay 30 # seconds"), func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.PreemptDelay = converttest.Seconds(30) }, nil},
		{"password of version 3", instance("version 3\nauthentication { auth_type PASS\n auth_pass secret }"), func(c *v1alpha1.HarbingerConfiguration) {
			c.Election.VRRP.Version = 3
		}, []string{"version 3 has no authentication"}},
		{"long password in quotes", instance("authentication {\n auth_type PASS\n auth_pass \"pass word 12\"\n}"), func(c *v1alpha1.HarbingerConfiguration) {
			c.Election.VRRP.Authentication = v1alpha1.Authentication{Type: "Password", Password: "pass wor"}
		}, []string{"keepalived.conf:9: auth_pass: only the first 8 bytes"}},
		{"unicast", instance("unicast_src_ip 10.0.0.3\nunicast_peer { 10.0.0.20\n 10.0.0.1 min_ttl 255\n10.0.0.3 }"), func(c *v1alpha1.HarbingerConfiguration) {
			c.Election.VRRP.Peers = []string{"10.0.0.1", "10.0.0.3", "10.0.0.20"}
		}, nil},
		{"unicast to peers behind routers", instance("unicast_src_ip 10.0.0.3\nunicast_peer { 10.0.0.20 min_ttl 253 max_ttl 255\n 10.0.0.1 min_ttl 254 }"), func(c *v1alpha1.HarbingerConfiguration) {
			c.Election.VRRP.Peers, c.Election.VRRP.MinimumTTL = []string{"10.0.0.1", "10.0.0.3", "10.0.0.20"}, 253
		}, []string{"only the address and min_ttl count"}},
		{"unicast over IPv6", strings.Replace(instance("version 3\nunicast_src_ip fd00::3\nunicast_peer { fd00::1 }"), "10.0.0.100/24", "fd00::100/64", 1), func(c *v1alpha1.HarbingerConfiguration) {
			c.VirtualAddresses, c.Election.VRRP.Version = []string{"fd00::100/64"}, 3
			c.Election.VRRP.Peers, c.Election.VRRP.MinimumTTL = []string{"fd00::1", "fd00::3"}, 64
		}, []string{"keepalived sends unicast over IPv6 with hop limit 64"}},
		{"unicast without a source", instance("unicast_peer { 10.0.0.2\n10.0.0.3 }"), func(c *v1alpha1.HarbingerConfiguration) {
			c.Election.VRRP.Peers = []string{"10.0.0.2", "10.0.0.3"}
		}, []string{"add the address of this host"}},
		{"options of an address", strings.Replace(instance(""), "/24", "/24 brd 10.0.0.255 dev eth0 label eth0:1 scope global", 1), func(*v1alpha1.HarbingerConfiguration) {}, nil},
		{"priority of a claim", instance("priority 250"), func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Priority = new(int32(250)) }, []string{"11 to 239"}},
		{"notifications", "global_defs { smtp_server 10.0.0.9 }\n" + instance("notify_master \"/bin/x y\"\ngarp_master_refresh 10\nuse_vmac"), func(*v1alpha1.HarbingerConfiguration) {},
			[]string{"smtp_server", "nothing is run", "use_vmac"}},
		{"check script", "vrrp_script a { interval 2\n fall 3\n rise 1\n timeout 1\n weight -20 }\n" + instance("track_script { a }"), func(c *v1alpha1.HarbingerConfiguration) {
			c.HealthCheck = v1alpha1.HealthCheck{Interval: converttest.Seconds(2), Timeout: converttest.Seconds(1), FailureThreshold: 3, SuccessThreshold: 1}
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"10.0.0.100/24"}, Interface: "eth0"}
			want.Election = v1alpha1.Election{Mode: "VRRP", VRRP: v1alpha1.VRRP{Version: 2, VirtualRouterID: new(int32(51)), Priority: new(int32(100)), AdvertisementInterval: converttest.Seconds(1)}}
			tt.change(&want)
			var got v1alpha1.HarbingerConfiguration
			found := keepalived.Convert(convert.File{Name: "keepalived.conf", Content: []byte(tt.raw)}, keepalived.Options{}, &got)
			if err := found.Err(); err != nil {
				t.Fatal(err)
			}
			converttest.Check(t, converttest.Warned(found), tt.warnings)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKeepalivedRefuses(t *testing.T) {
	for raw, want := range map[string]string{
		"":  "vrrp_instance: there is none",
		"{": "vrrp_instance: there is none",
		instance("") + strings.Replace(instance(""), "VI_1", "VI_2", 1):                 "keepalived.conf:9: vrrp_instance VI_2: there is a vrrp_instance VI_1 already",
		instance("virtual_router_id 256"):                                               "keepalived.conf:7: virtual_router_id 256: want a whole number from 1 to 255",
		instance("virtual_router_id"):                                                   "keepalived.conf:7: virtual_router_id: the value is missing",
		instance("advert_int"):                                                          "the value is missing",
		instance("authentication { auth_type AH }"):                                     "only PASS",
		instance("authentication { auth_pass }"):                                        "auth_pass: a password is missing",
		instance("unicast_peer {\n}"):                                                   "the list is empty",
		instance("unicast_peer { node2 }"):                                              `want an address, not "node2"`,
		instance("unicast_src_ip 10.0.0.1\nunicast_peer { 10.0.0.100 }"):                "this is the virtual address",
		instance("virtual_ipaddress_excluded { 10.0.0.101 }"):                           "does not advertise",
		instance("virtual_routes { default via 10.0.0.1 }"):                             "adds no routes",
		instance("mcast_dst_ip 224.0.0.19"):                                             "always 224.0.0.18",
		instance("vrf blue"):                                                            "VRF",
		strings.Replace(instance(""), "/24", "/24 dev eth1", 1):                         `interface of the instance, "eth0"`,
		strings.Replace(instance(""), "/24", "/24, 10.0.0.101/24", 1):                   "keepalived.conf:5: 10.0.0.100/24, 10.0.0.101/24: keepalived ignores 10.0.0.101",
		strings.Replace(instance(""), "10.0.0.100", "vip", 1):                           `not "vip`,
		strings.Replace(instance("version 2"), "10.0.0.100/24", "fd00::100/64", 1):      "IPv6 needs version 3",
		instance("") + "virtual_server 10.0.0.100 443 { real_server 10.0.0.2 443 { } }": "IPVS",
		instance("") + "include conf.d/*":                                               "the file is not at hand",
		"net_namespace blue\n" + instance(""):                                           "network namespace of the host",
		"global_defs { vrrp_mcast_group4 224.0.0.19 }\n" + instance(""):                 "always 224.0.0.18",
		instance("@host1 priority 100"):                                                 `there are lines for the config ids host1, and none for ""`,
		instance("priority ${PRIORITY}"):                                                "priority ${PRIORITY}: this is a template",
		instance("priority {{ priority }}"):                                             "priority {{ priority }}: this is a template",
		instance("priority $PRIORITY"):                                                  "this is a template",
		strings.Replace(instance(""), "10.0.0.100", "${VIP}", 1):                        "this is a template",
		"vrrp_instance VI_1 {":                                                          "virtual_ipaddress has no address",
	} {
		found := keepalived.Convert(convert.File{Name: "keepalived.conf", Content: []byte(raw)}, keepalived.Options{}, &v1alpha1.HarbingerConfiguration{})
		if err := found.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Keepalived(%q) = %v, want %q in it", raw, err, want)
		}
	}
	found := keepalived.Convert(convert.File{Name: "k", Content: []byte(instance("authentication { auth_pass }\npriority 255\nadvert_int ${X}"))}, keepalived.Options{}, &v1alpha1.HarbingerConfiguration{})
	if lines := strings.Count(found.Err().Error(), "\n"); lines != 2 {
		t.Errorf("not each fault is reported once: %v", found.Err())
	}
}
