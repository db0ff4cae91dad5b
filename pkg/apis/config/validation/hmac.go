// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
)

// The bounds of the window are keepalived's.
const (
	minTimeWindow = time.Second
	maxTimeWindow = 300 * time.Second
)

// validateHMAC checks signed advertisements. What is wrong with them never leads to advertisements that are not signed.
func validateHMAC(fldPath *field.Path, v *config.VRRP) field.ErrorList {
	const remedy = "is used with type Password only: remove "
	if v.Authentication.Password != "" {
		return field.ErrorList{field.Forbidden(fldPath.Child("password"), remedy+"the password")}
	}
	if v.PasswordFile != "" {
		return field.ErrorList{field.Forbidden(fldPath.Child("passwordFile"), remedy+"the file")}
	}
	h, hmac := &v.HMAC, fldPath.Child("hmac")
	errs := validateKeys(hmac, h)
	errs = append(errs, oneOf(hmac.Child("mode"), h.Mode, keyed.Enforce, keyed.Permissive, keyed.ReceiveOnly)...)
	errs = append(errs, oneOf(hmac.Child("antiReplay"), h.AntiReplay, keyed.Time, keyed.Monotonic)...)
	window := hmac.Child("timeWindow")
	switch {
	case h.AntiReplay == keyed.Monotonic && h.TimeWindow != 0:
		errs = append(errs, field.Forbidden(window, "is used with antiReplay Time only: remove it"))
	case h.AntiReplay != keyed.Time:
	case h.TimeWindow%time.Second != 0:
		errs = append(errs, field.Invalid(window, h.TimeWindow.String(), "must be whole seconds"))
	default:
		errs = append(errs, within(window, h.TimeWindow, minTimeWindow, maxTimeWindow)...)
	}
	return errs
}

func validateKeys(fldPath *field.Path, h *config.HMAC) field.ErrorList {
	keys := fldPath.Child("keys")
	if len(h.Keys) == 0 {
		return field.ErrorList{field.Required(keys, "type HMAC needs a key: give its id and its file")}
	}
	var errs field.ErrorList
	for i, key := range h.Keys {
		switch id := keys.Index(i).Child("id"); {
		case key.ID == 0:
			errs = append(errs, field.Invalid(id, key.ID, "must be 1 to 255"))
		case slices.ContainsFunc(h.Keys[:i], func(earlier config.KeyFile) bool { return earlier.ID == key.ID }):
			errs = append(errs, field.Duplicate(id, key.ID))
		}
		errs = append(errs, belowDirectory(keys.Index(i).Child("file"), key.File)...)
	}
	switch active := fldPath.Child("activeKey"); {
	case h.ActiveKey == 0:
		errs = append(errs, field.Required(active, "give the id of the key that signs"))
	case !slices.ContainsFunc(h.Keys, func(key config.KeyFile) bool { return key.ID == h.ActiveKey }):
		errs = append(errs, field.Invalid(active, h.ActiveKey, "must be the id of one of the keys"))
	}
	return errs
}

// withoutHMAC refuses keys that another type does not use: whoever gave them expects signatures.
func withoutHMAC(fldPath *field.Path, v *config.VRRP) field.ErrorList {
	if reflect.DeepEqual(v.HMAC, config.HMAC{}) {
		return nil
	}
	return field.ErrorList{field.Forbidden(fldPath.Child("hmac"), "is used with type HMAC only: set the type, or remove the keys")}
}

// belowDirectory checks the path of a file in the directory that the pod sees, or in one below it.
func belowDirectory(fldPath *field.Path, file string) field.ErrorList {
	errs := absoluteFile(fldPath, file)
	if len(errs) == 0 && !strings.HasPrefix(file, config.Directory+"/") {
		errs = append(errs, field.Invalid(fldPath, file, "must be a file in "+config.Directory+" or below, the directory that the pod sees"))
	}
	return errs
}
