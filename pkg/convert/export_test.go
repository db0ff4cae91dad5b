// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"maps"
	"slices"
)

// The directives that this package knows, by the block or section that they are in.
var (
	GlobalDefs       = slices.Sorted(maps.Keys(globalDefs))
	ScriptSettings   = slices.Sorted(maps.Keys(scriptSettings))
	InstanceSettings = slices.Sorted(maps.Keys(instanceSettings))
	GlobalLines      = slices.Sorted(maps.Keys(globalLines))
	ProxyLines       = slices.Sorted(maps.Keys(proxyLines))
	ServerArguments  = slices.Sorted(maps.Keys(serverArguments))
)
