package lifecycle

import (
	"fmt"
	"strings"

	"opsyard/models"
)

// Hostname proposes a free name by the stack's theme: a layer's short name and
// the lowest free number, or an unused word of the theme; when the words have
// run out they are numbered (OpsWorks: "Hostname theme").
func Hostname(theme models.HostnameTheme, shortname string, taken []string) string {
	used := map[string]bool{}
	for _, name := range taken {
		used[strings.ToLower(name)] = true
	}
	words := themes[theme]
	for _, word := range words {
		if !used[word] {
			return word
		}
	}
	if len(words) == 0 {
		words = []string{dnsSafe(shortname)}
	}
	for n := 1; ; n++ {
		for _, word := range words {
			if name := fmt.Sprintf("%s%d", word, n); !used[name] {
				return name
			}
		}
	}
}

// dnsSafe makes a short name fit for a hostname with a number behind it.
func dnsSafe(shortname string) string {
	safe := strings.Trim(strings.NewReplacer("_", "-", ".", "-").Replace(shortname), "-")
	if safe == "" {
		return "host"
	}
	return safe[:min(len(safe), 50)]
}

// themes are our own words; OpsWorks never published its lists.
var themes = map[models.HostnameTheme][]string{
	"Baked_Goods":                    strings.Fields("bagel baguette biscuit brioche brownie cobbler cracker crepe croissant crumpet cupcake donut eclair focaccia muffin naan pancake pretzel scone strudel tart waffle"),
	"Clouds":                         strings.Fields("altocumulus altostratus anvil arcus asperitas castellanus cirrocumulus cirrostratus cirrus congestus cumulonimbus cumulus fibratus lenticular mammatus nimbostratus pileus stratocumulus stratus virga"),
	"Europe_Cities":                  strings.Fields("amsterdam antwerp athens barcelona basel belgrade bergen berlin bologna bruges budapest cologne dublin florence geneva ghent gothenburg hamburg helsinki krakow lisbon ljubljana lyon madrid milan munich naples nice oslo paris porto prague riga rome rotterdam salzburg seville sofia stockholm tallinn turin valencia vienna vilnius warsaw zagreb zurich"),
	"Fruits":                         strings.Fields("apple apricot banana blackberry blueberry cherry clementine coconut cranberry currant date fig gooseberry grape grapefruit guava kiwi kumquat lemon lime lychee mango melon nectarine olive orange papaya peach pear pineapple plum pomegranate quince raspberry strawberry tangerine"),
	"Greek_Deities_and_Titans":       strings.Fields("aphrodite apollo ares artemis asteria athena atlas cronus demeter dionysus eos epimetheus gaia hades hecate helios hephaestus hera hermes hestia hyperion iapetus leto metis mnemosyne nike oceanus pan persephone phoebe poseidon prometheus rhea selene tethys theia themis tyche zeus"),
	"Legendary_creatures_from_Japan": strings.Fields("abumi akaname amabie amanojaku baku bakeneko daidarabotchi dodomeki hitodama inugami itsumade jorogumo kamaitachi kappa karura kirin kitsune kodama kudan mujina nekomata nue nurikabe oni raiju rokurokubi tanuki tengu tsuchigumo yamabiko yuki"),
	"Planets_and_Moons":              strings.Fields("ariel callisto ceres charon deimos dione earth enceladus eris europa ganymede hyperion iapetus io jupiter luna mars mercury mimas miranda neptune oberon phobos pluto rhea saturn tethys titan titania triton umbriel uranus venus"),
	"Roman_Deities":                  strings.Fields("aesculapius apollo aurora bacchus bellona ceres cupid diana dis fama faunus flora fortuna janus juno jupiter juventas liber luna mars mercury minerva neptune ops pax pluto pomona portunus quirinus saturn silvanus sol terminus venus vesta victoria vulcan"),
	"Scottish_Islands":               strings.Fields("arran barra benbecula berneray bute canna coll colonsay eigg eriskay fetlar foula gigha harris hoy iona islay jura kerrera lewis lismore luing mingulay muck mull papay raasay rona rousay rum sanday scalpay shapinsay skye staffa stronsay taransay tiree ulva unst vatersay westray whalsay yell"),
	"US_Cities":                      strings.Fields("albany albuquerque anchorage atlanta austin baltimore boise boston buffalo charlotte chicago cincinnati cleveland columbus dallas dayton denver detroit fresno honolulu houston indianapolis juneau lincoln louisville memphis miami milwaukee minneapolis nashville newark oakland omaha orlando philadelphia phoenix pittsburgh portland raleigh reno richmond rochester sacramento savannah seattle spokane tampa toledo tucson tulsa wichita"),
	"Wild_Cats":                      strings.Fields("bobcat caracal cheetah cougar fishingcat jaguar jaguarundi kodkod leopard lion lynx manul margay marbledcat ocelot oncilla pampascat puma sandcat serval snowleopard tiger wildcat"),
}
