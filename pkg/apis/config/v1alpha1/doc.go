// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the configuration of Harbinger as it is written in files: types with JSON names, their defaults and
// their conversion to and from the types of package config. It neither decodes documents nor knows the rules between fields.
//
// A number or a duration of zero means its default, as in the configuration of the kubelet; where zero is a mistake that
// must not go unseen the field is a pointer.
package v1alpha1
