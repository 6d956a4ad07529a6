package compute

import (
	"slices"
	"strconv"
	"strings"
)

// Sizer is a provider that can tell which sizes its machines have.
type Sizer interface {
	// Sizes are those to choose from, smallest first.
	Sizes() []string
	// HasSize tells whether Start takes the size; "" is the provider's default.
	HasSize(size string) bool
}

// Size is what a size means: processors and memory.
type Size struct {
	CPUs   float64
	Memory int64 // bytes
}

const gib = 1 << 30

// EC2Size is what an instance type of EC2 has, as far as its name tells:
// whoever comes from OpsWorks has "t2.micro" and "c3.large" in his scripts.
func EC2Size(name string) (Size, bool) {
	if s, ok := ec2Odd[name]; ok {
		return s, true
	}
	family, size, ok := strings.Cut(name, ".")
	if !ok {
		return Size{}, false
	}
	if _, known := ec2Burst[family]; known {
		s, ok := ec2BurstSizes[size]
		if family == "t2" && s.Memory <= 2*gib {
			s.CPUs = 1
		}
		return s, ok
	}
	f, known := ec2Families[family]
	cpus, ok := cpusOf(size)
	if !known || !ok || cpus < f.least || cpus > f.most {
		return Size{}, false
	}
	return Size{CPUs: cpus, Memory: int64(cpus * f.gibPerCPU * gib)}, true
}

// cpusOf is the number of processors that a size has in every family of today:
// large has 2, xlarge 4, and 2xlarge twice that.
func cpusOf(size string) (float64, bool) {
	switch size {
	case "medium":
		return 1, true
	case "large":
		return 2, true
	case "xlarge":
		return 4, true
	}
	factor, ok := strings.CutSuffix(size, "xlarge")
	n, err := strconv.Atoi(factor)
	if !ok || err != nil || !slices.Contains([]int{2, 3, 4, 6, 8, 9, 10, 12, 16, 18, 24, 32, 48}, n) {
		return 0, false
	}
	return float64(4 * n), true
}

// ec2Family has the same memory per processor in all its sizes.
type ec2Family struct{ gibPerCPU, least, most float64 }

var (
	general  = ec2Family{4, 1, 192}
	computes = ec2Family{2, 1, 192}
	memories = ec2Family{8, 1, 192}
)

var ec2Families = map[string]ec2Family{
	"m3": {3.75, 1, 8}, "m4": {4, 2, 64}, "m5": general, "m5a": general, "m5d": general, "m5n": general, "m6a": general, "m6g": general, "m6i": general,
	"m6in": general, "m7a": general, "m7g": general, "m7i": general, "m8g": general,
	"c3": {1.875, 2, 32}, "c4": {1.875, 2, 36}, "c5": computes, "c5a": computes, "c5d": computes, "c5n": {2.625, 2, 72}, "c6a": computes, "c6g": computes,
	"c6i": computes, "c6in": computes, "c7a": computes, "c7g": computes, "c7i": computes, "c8g": computes,
	"r3": {7.625, 2, 32}, "r4": {7.625, 2, 64}, "r5": memories, "r5a": memories, "r5d": memories, "r5n": memories, "r6a": memories, "r6g": memories,
	"r6i": memories, "r7a": memories, "r7g": memories, "r7i": memories, "r8g": memories,
	"i2": {7.625, 4, 32}, "i3": {7.625, 2, 64}, "i3en": memories, "i4i": memories, "d2": {7.625, 4, 36}, "d3": memories,
	"g3": {7.625, 16, 64}, "g4dn": general, "g5": general, "p2": {15.25, 4, 64}, "p3": {7.625, 8, 64},
	"x1": {15.25, 64, 128}, "x1e": {30.5, 4, 128}, "x2idn": {16, 64, 128}, "z1d": memories,
}

// ec2Burst are the families whose small sizes share processors.
var ec2Burst = map[string]struct{}{"t2": {}, "t3": {}, "t3a": {}, "t4g": {}}

var ec2BurstSizes = map[string]Size{
	"nano": {2, gib / 2}, "micro": {2, gib}, "small": {2, 2 * gib}, "medium": {2, 4 * gib},
	"large": {2, 8 * gib}, "xlarge": {4, 16 * gib}, "2xlarge": {8, 32 * gib},
}

// ec2Odd are the first generations, which follow no rule.
var ec2Odd = map[string]Size{
	"t1.micro": {1, 627 << 20},
	"m1.small": {1, 1741 << 20}, "m1.medium": {1, 3840 << 20}, "m1.large": {2, 7680 << 20}, "m1.xlarge": {4, 15 * gib},
	"m2.xlarge": {2, 17510 << 20}, "m2.2xlarge": {4, 35020 << 20}, "m2.4xlarge": {8, 70041 << 20},
	"c1.medium": {2, 1741 << 20}, "c1.xlarge": {8, 7 * gib}, "cc1.4xlarge": {16, 23 * gib}, "cc2.8xlarge": {32, 60 * gib},
	"cg1.4xlarge": {16, 22 * gib}, "cr1.8xlarge": {32, 244 * gib}, "g2.2xlarge": {8, 15 * gib}, "g2.8xlarge": {32, 60 * gib},
	"hi1.4xlarge": {16, 60 * gib}, "hs1.8xlarge": {16, 117 * gib},
}

// EC2Sizes are the usual instance types of EC2, to choose from.
var EC2Sizes = []string{
	"t2.micro", "t2.small", "t2.medium", "t3.micro", "t3.small", "t3.medium", "t3.large",
	"m5.large", "m5.xlarge", "m5.2xlarge", "c5.large", "c5.xlarge", "c5.2xlarge", "r5.large", "r5.xlarge",
}

// LocalSizes are the names of our own for small machines on this host, smallest
// first.
var LocalSizes = []string{"local.nano", "local.micro", "local.small", "local.medium", "local.large"}

// HasAnySize is HasSize of a provider whose machines all have the same size:
// any name that means one, also with the provider's own prefix.
func HasAnySize(provider, name string) bool {
	_, ec2 := EC2Size(name)
	if own, ok := strings.CutPrefix(name, provider+"."); ok {
		name = "local." + own
	}
	return name == "" || ec2 || slices.Contains(LocalSizes, name)
}

// AnySizes is Sizes of such a provider.
func AnySizes() []string { return slices.Concat(LocalSizes, EC2Sizes) }
