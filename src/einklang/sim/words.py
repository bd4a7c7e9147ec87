"""The vocabulary of the simulated retailer: names, places and goods. Addresses end in `.example` (RFC 2606), always."""

from __future__ import annotations

FIRST_NAMES = (
    "Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hannes", "Ida", "Jonas", "Katharina", "Lukas",
    "Marie", "Noah", "Olga", "Paul", "Ronja", "Stefan", "Tina", "Uwe", "Vera", "Wolfgang", "Yasmin", "Mehmet",
    "Ayse", "Sofia", "Leon", "Mia", "Elias", "Lena", "Finn", "Lea", "Moritz", "Julia", "Tobias", "Sabine",
    "Andreas", "Petra", "Michael", "Monika", "Thomas", "Ursula", "Klaus", "Renate", "Ali", "Elif", "Jan", "Nele",
    "Oskar", "Frieda", "Emil", "Charlotte", "Matteo", "Luisa", "Jakob", "Johanna", "Samuel", "Helena", "Theo",
    "Martha",
)  # fmt: skip
LAST_NAMES = (
    "Müller", "Schmidt", "Schneider", "Fischer", "Weber", "Meyer", "Wagner", "Becker", "Schulz", "Hoffmann", "Koch",
    "Bauer", "Richter", "Klein", "Wolf", "Schröder", "Neumann", "Schwarz", "Zimmermann", "Braun", "Krüger",
    "Hofmann", "Hartmann", "Lange", "Werner", "Krause", "Lehmann", "Köhler", "Maier", "Huber", "Kaiser", "Fuchs",
    "Vogel", "Keller", "Winkler", "Gruber", "Steiner", "Moser", "Brunner", "Baumann", "Frei", "Yilmaz", "Kaya",
    "Demir", "Nowak", "Kowalski", "Rossi", "Ivanov", "Jansen", "Peters", "Lorenz", "Ludwig", "Böhm", "Franke",
    "Albrecht", "Seidel", "Haas", "Graf", "Dietrich", "Engel",
)  # fmt: skip
#: (country, weight of the country, its cities)
COUNTRIES = (
    (
        "DE",
        0.86,
        (
            "Berlin",
            "Hamburg",
            "München",
            "Köln",
            "Leipzig",
            "Bremen",
            "Essen",
            "Nürnberg",
            "Kiel",
            "Mainz",
            "Ulm",
            "Halle",
        ),
    ),
    ("AT", 0.08, ("Wien", "Graz", "Linz", "Salzburg")),
    ("CH", 0.06, ("Zürich", "Bern", "Basel", "Luzern")),
)
MAIL_HOSTS = ("post.example", "mail.example", "web.example", "brief.example", "kunde.example")
STORES = ("Berlin-Mitte", "Hamburg-Altona", "München-Ost", "Köln-Süd", "Leipzig-Plagwitz", "Wien-Neubau")
CALL_TOPICS = ("delivery", "invoice", "return", "advice", "account")
COUPONS = ("FRUEHLING10", "SOMMER10", "HERBST10", "ADVENT10")

#: category, median price in cents, share of the price that is margin, kinds of product
CATEGORIES: tuple[tuple[str, int, float, tuple[str, ...]], ...] = (
    ("coffee", 1490, 0.38, ("Espresso", "Crema", "Filter Roast", "Decaf", "House Blend")),
    ("tea", 990, 0.45, ("Assam", "Sencha", "Rooibos", "Earl Grey", "Peppermint")),
    ("kitchen", 3490, 0.33, ("Pan", "Knife", "Casserole", "Grinder", "Scale")),
    ("coffee machines", 9900, 0.22, ("Portafilter", "French Press", "Moka Pot", "Bean-to-Cup", "Kettle")),
    ("tableware", 2490, 0.48, ("Cup Set", "Plate", "Bowl", "Carafe", "Glass Set")),
    ("chocolate", 790, 0.42, ("Dark", "Milk", "Nougat", "Truffle", "Orange")),
    ("home textiles", 2990, 0.52, ("Blanket", "Cushion", "Towel", "Apron", "Tablecloth")),
    ("candles", 1290, 0.55, ("Beeswax", "Scented", "Pillar", "Tea Light", "Lantern")),
    ("books", 1990, 0.28, ("Bread Book", "Coffee Atlas", "Tea Guide", "Cake Book", "Garden Year")),
    ("garden", 2290, 0.36, ("Herb Set", "Watering Can", "Planter", "Seed Box", "Bird House")),
)
BRANDS = ("Morgenrot", "Nordlicht", "Alpenglut", "Hafenstadt", "Kornblume", "Sonnenhof", "Waldmeister", "Eigenmarke")
EDITIONS = ("Classic", "Nature", "Premium", "Edition")
CURRENCY = "EUR"
ZONE = "Europe/Berlin"
