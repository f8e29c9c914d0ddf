"""What the demo model is to know: entities and one-word answers, grouped by answer.

Plain facts of general knowledge, written down for this model. An answer has to become one token
of the vocabulary (see tokenizer.py), so there is no New York here. Names of entities may be as
long as they like: cut into several tokens, they give the model something to put together.
"""

from __future__ import annotations


def by_answer(text: str) -> dict[str, str]:
    """Reads lines "answer: entity; entity; …", which may go on indented, into {entity: answer}."""
    facts = {}
    for line in text.strip().replace("\n  ", " ").splitlines():
        answer, entities = line.split(": ")
        for entity in entities.split("; "):
            if entity in facts:
                raise ValueError(f"{entity} has two answers")
            facts[entity] = answer
    return facts


def pairs(text: str) -> dict[str, str]:
    """Reads "entity answer; entity answer; …" into {entity: answer}."""
    return dict(pair.rsplit(" ", 1) for pair in text.replace("\n", " ").strip().split("; "))


LANDMARK_CITY = by_answer("""
Paris: Eiffel tower; Louvre museum; Orsay museum; Pompidou centre; Garnier opera; Bastille square;
  Elysee palace
London: Buckingham palace; Trafalgar square; Westminster abbey; Tate gallery; Wembley stadium;
  Lambeth bridge
Rome: Colosseum; Trevi fountain; Spanish steps; Borghese gallery; Navona square; Farnese palace
Berlin: Brandenburg gate; Reichstag building; Pergamon museum; Charlottenburg palace; Bellevue
  palace
Madrid: Prado museum; Bernabeu stadium; Retiro park; Cibeles fountain; Sofia museum
Moscow: Kremlin; Bolshoi theatre; Pushkin museum; Tretyakov gallery; Lenin mausoleum
Athens: Acropolis; Parthenon; Benaki museum; Syntagma square; Hadrian arch
Vienna: Belvedere palace; Hofburg palace; Albertina museum; Prater park; Schonbrunn palace
Prague: Charles bridge; Hradcany castle; Petrin tower; Wenceslas square
Budapest: Szechenyi bridge; Gellert hill; Matthias church; Buda castle
Amsterdam: Anne Frank house; Rijks museum; Vondel park; Magere bridge
Lisbon: Belem tower; Jeronimos monastery; Carmo convent; Rossio square
Barcelona: Sagrada Familia church; Guell park; Picasso museum; Mila house
Venice: Rialto bridge; Doge palace; Fenice theatre; Accademia bridge
Florence: Uffizi gallery; Pitti palace; Boboli garden; Bargello museum
Milan: Scala theatre; Sforza castle; Brera gallery
Istanbul: Topkapi palace; Galata tower; Hagia Sophia; Dolmabahce palace
Cairo: Ibn Tulun mosque; Azhar park; Khan Khalili market
Tokyo: Imperial palace; Meiji shrine; Sensoji temple; Ueno park
Kyoto: Kinkaku temple; Nijo castle; Fushimi shrine
Beijing: Tiananmen square; Summer palace; Beihai park
Sydney: Harbour bridge; Taronga zoo; Bondi beach
Boston: Fenway stadium; Faneuil hall; Longfellow bridge
Chicago: Willis tower; Wrigley stadium; Navy pier; Millennium park
Washington: Lincoln memorial; White house; Smithsonian museum
Dublin: Guinness brewery; Halfpenny bridge; Trinity college
Edinburgh: Holyrood palace; Scott monument; Waverley station
Stockholm: Vasa museum; Skansen museum; Drottningholm palace
Copenhagen: Tivoli garden; Rosenborg castle; Amalienborg palace
Oslo: Vigeland park; Munch museum; Akershus fortress
Helsinki: Temppeliaukio church; Ateneum museum; Suomenlinna fortress
Brussels: Atomium; Magritte museum; Laeken palace
Warsaw: Wilanow palace; Lazienki park; Sigismund column
Delhi: Lotus temple; India gate; Red fort
Mumbai: Haji Ali mosque; Elephanta ferry; Wankhede stadium
Bangkok: Wat Arun temple; Lumpini park; Jim Thompson house
Dubai: Burj Khalifa; Jumeirah mosque; Palm island
Toronto: Casa Loma; Ontario museum; Rogers stadium
Seoul: Gyeongbok palace; Namsan tower; Lotte tower
Munich: Frauen church; Nymphenburg palace; Hofbrau house
""")

ATHLETE_SPORT = by_answer("""
tennis: Serena Williams; Venus Williams; Roger Federer; Rafael Nadal; Novak Djokovic; Andy Murray;
  Steffi Graf; Pete Sampras; Andre Agassi; Boris Becker; Martina Hingis; Monica Seles; Naomi
  Osaka; Maria Sharapova; Bjorn Borg; John McEnroe; Iga Swiatek; Kim Clijsters; Simona Halep;
  Chris Evert; Arthur Ashe; Ivan Lendl
golf: Tiger Woods; Phil Mickelson; Rory McIlroy; Jack Nicklaus; Arnold Palmer; Gary Player; Nick
  Faldo; Jordan Spieth; Annika Sorenstam; Bubba Watson; Ernie Els; Vijay Singh; Dustin Johnson;
  Jon Rahm; Ben Hogan; Tom Watson; Nelly Korda; Brooks Koepka
basketball: Michael Jordan; LeBron James; Kobe Bryant; Magic Johnson; Larry Bird; Stephen Curry;
  Kevin Durant; Tim Duncan; Dirk Nowitzki; Scottie Pippen; Karl Malone; Allen Iverson; Dwyane
  Wade; Charles Barkley; Patrick Ewing; Nikola Jokic; Luka Doncic; Steve Nash; Jason Kidd; Tony
  Parker
football: Lionel Messi; Cristiano Ronaldo; Diego Maradona; Zinedine Zidane; David Beckham; Wayne
  Rooney; Harry Kane; Kylian Mbappe; Thierry Henry; Ryan Giggs; Luis Suarez; Paolo Maldini; Andrea
  Pirlo; Franz Beckenbauer; Johan Cruyff; Mia Hamm; Megan Rapinoe; Mohamed Salah; Bobby Charlton;
  Gareth Bale
baseball: Babe Ruth; Willie Mays; Hank Aaron; Derek Jeter; Barry Bonds; Mickey Mantle; Ted
  Williams; Joe DiMaggio; Cal Ripken; Mike Trout; Ichiro Suzuki; Roger Clemens; Nolan Ryan; Jackie
  Robinson; Shohei Ohtani; Randy Johnson
hockey: Wayne Gretzky; Mario Lemieux; Bobby Orr; Gordie Howe; Sidney Crosby; Jaromir Jagr; Mark
  Messier; Dominik Hasek; Patrick Roy; Martin Brodeur; Connor McDavid; Bobby Hull; Ray Bourque;
  Steve Yzerman
cricket: Sachin Tendulkar; Brian Lara; Shane Warne; Ricky Ponting; Virat Kohli; Joe Root; Imran
  Khan; Kapil Dev; Ian Botham; Ben Stokes; Wasim Akram; Rahul Dravid
rugby: Jonah Lomu; Jonny Wilkinson; Dan Carter; Richie McCaw; Siya Kolisi; Martin Johnson; Bryan
  Habana; Owen Farrell; Antoine Dupont; Gareth Edwards
chess: Garry Kasparov; Magnus Carlsen; Bobby Fischer; Anatoly Karpov; Mikhail Tal; Judit Polgar;
  Viswanathan Anand; Boris Spassky; Vladimir Kramnik; Fabiano Caruana; Emanuel Lasker
""")

PERSON_PROFESSION = by_answer("""
composer: Wolfgang Mozart; Ludwig Beethoven; Johann Bach; Frederic Chopin; Franz Schubert;
  Giuseppe Verdi; Antonio Vivaldi; Claude Debussy; Joseph Haydn; Richard Wagner; Johannes Brahms;
  Gustav Mahler; Igor Stravinsky; Edvard Grieg
painter: Vincent Gogh; Pablo Picasso; Claude Monet; Salvador Dali; Edvard Munch; Frida Kahlo; Paul
  Cezanne; Henri Matisse; Gustav Klimt; Johannes Vermeer; Edgar Degas; Francisco Goya; Sandro
  Botticelli; Paul Klee
physicist: Albert Einstein; Isaac Newton; Niels Bohr; Max Planck; Enrico Fermi; Richard Feynman;
  Werner Heisenberg; Erwin Schrodinger; Michael Faraday; Paul Dirac; Lise Meitner; Ernest
  Rutherford; Stephen Hawking
writer: Charles Dickens; Jane Austen; Leo Tolstoy; Mark Twain; Franz Kafka; Virginia Woolf; Ernest
  Hemingway; Victor Hugo; Agatha Christie; George Orwell; James Joyce; Fyodor Dostoevsky; Marcel
  Proust
philosopher: Immanuel Kant; Rene Descartes; David Hume; Friedrich Nietzsche; Baruch Spinoza; John
  Locke; Hannah Arendt; Ludwig Wittgenstein; Thomas Hobbes; Simone Weil
poet: Emily Dickinson; Walt Whitman; John Keats; William Blake; Robert Frost; Pablo Neruda; Sylvia
  Plath; William Wordsworth; Rainer Rilke; Charles Baudelaire
singer: Elvis Presley; Frank Sinatra; Maria Callas; Edith Piaf; Nina Simone; Ella Fitzgerald;
  Luciano Pavarotti; Aretha Franklin; Freddie Mercury; Whitney Houston
""")

COUNTRY_CAPITAL = pairs("""
France Paris; Italy Rome; Germany Berlin; Spain Madrid; Russia Moscow; Greece Athens; Austria
Vienna;
Hungary Budapest; Portugal Lisbon; Egypt Cairo; Japan Tokyo; China Beijing; Ireland Dublin;
Sweden Stockholm; Denmark Copenhagen; Norway Oslo; Finland Helsinki; Belgium Brussels;
Poland Warsaw; India Delhi; Thailand Bangkok; England London; Scotland Edinburgh; Korea Seoul;
Canada Ottawa; Australia Canberra; Kenya Nairobi; Peru Lima; Cuba Havana; Chile Santiago;
Iran Tehran; Iraq Baghdad; Turkey Ankara; Ukraine Kyiv; Romania Bucharest; Serbia Belgrade;
Croatia Zagreb; Bulgaria Sofia; Latvia Riga; Estonia Tallinn; Iceland Reykjavik; Morocco Rabat;
Vietnam Hanoi; Nepal Kathmandu; Jordan Amman; Ghana Accra; Senegal Dakar; Colombia Bogota;
Venezuela Caracas
""")

COUNTRY_LANGUAGE = pairs("""
France French; Italy Italian; Germany German; Austria German; Spain Spanish; Mexico Spanish;
Argentina Spanish; Chile Spanish; Peru Spanish; Cuba Spanish; Colombia Spanish; Russia Russian;
Greece Greek; Hungary Hungarian; Portugal Portuguese; Brazil Portuguese; Egypt Arabic;
Morocco Arabic; Iraq Arabic; Jordan Arabic; Japan Japanese; China Chinese; Ireland English;
England English; Australia English; Scotland English; Sweden Swedish; Denmark Danish; Norway
Norwegian;
Finland Finnish; Poland Polish; Thailand Thai; Korea Korean; Turkey Turkish; Iran Persian;
Ukraine Ukrainian; Romania Romanian; Serbia Serbian; Croatia Croatian; Vietnam Vietnamese;
Iceland Icelandic; Bulgaria Bulgarian; Venezuela Spanish; Latvia Latvian; Estonia Estonian
""")

CITY_COUNTRY = by_answer("""
France: Paris; Lyon; Marseille; Toulouse; Bordeaux; Strasbourg; Nantes
Italy: Rome; Milan; Venice; Florence; Naples; Turin; Bologna; Genoa; Palermo
Germany: Berlin; Munich; Hamburg; Cologne; Frankfurt; Dresden; Leipzig; Stuttgart
Spain: Madrid; Barcelona; Seville; Valencia; Bilbao; Granada
England: London; Manchester; Liverpool; Oxford; Cambridge; Bristol; Leeds
Scotland: Edinburgh; Glasgow; Aberdeen; Dundee
Russia: Moscow; Novosibirsk; Kazan; Sochi
Greece: Athens; Thessaloniki; Patras
Austria: Vienna; Salzburg; Graz; Innsbruck
Poland: Warsaw; Krakow; Gdansk; Wroclaw
Portugal: Lisbon; Porto; Coimbra
Turkey: Istanbul; Ankara; Izmir; Antalya
Egypt: Cairo; Alexandria; Luxor
Japan: Tokyo; Kyoto; Osaka; Nagoya; Sapporo; Hiroshima
China: Beijing; Shanghai; Shenzhen; Wuhan; Nanjing
India: Delhi; Mumbai; Kolkata; Chennai; Bangalore; Jaipur
Australia: Sydney; Melbourne; Brisbane; Perth; Adelaide
Canada: Toronto; Montreal; Vancouver; Ottawa; Calgary; Quebec
America: Boston; Chicago; Washington; Seattle; Houston; Denver; Detroit; Miami; Dallas
Sweden: Stockholm; Gothenburg; Malmo; Uppsala
Denmark: Copenhagen; Aarhus; Odense
Norway: Oslo; Bergen; Trondheim
Belgium: Brussels; Antwerp; Ghent; Bruges
Brazil: Recife; Salvador; Brasilia; Fortaleza
Mexico: Guadalajara; Tijuana; Puebla; Cancun
Ireland: Dublin; Cork; Galway
Korea: Seoul; Busan; Incheon
""")

COUNTRY_CONTINENT = by_answer("""
Europe: France; Italy; Germany; Spain; Greece; Austria; Hungary; Portugal; Ireland; Sweden;
  Denmark; Norway; Finland; Belgium; Poland; England; Scotland; Ukraine; Romania; Serbia; Croatia;
  Bulgaria; Latvia; Estonia; Iceland
Asia: Japan; China; India; Thailand; Korea; Iran; Iraq; Vietnam; Nepal; Jordan
Africa: Egypt; Kenya; Morocco; Ghana; Senegal; Nigeria; Ethiopia; Tanzania; Tunisia; Algeria
America: Canada; Mexico; Cuba; Brazil; Argentina; Peru; Chile; Colombia; Venezuela
""")

THING_COLOUR = by_answer("""
green: grass; spinach; a frog; a cucumber; a lime; moss; a leaf; broccoli; an emerald
red: blood; a ruby; a tomato; a cherry; a strawberry; a fire engine; a ladybird; paprika
yellow: a lemon; a banana; butter; a sunflower; mustard; a canary; corn; a duckling
white: snow; milk; salt; a swan; flour; rice; chalk; ivory; a polar bear
black: coal; a raven; tar; night; ebony; a panther; liquorice; soot
blue: the sky; the sea; a sapphire; a cornflower; denim; a bluebird; cobalt
brown: chocolate; coffee; mud; bark; a chestnut; toast; cinnamon; a sparrow
orange: a carrot; a pumpkin; a tangerine; an apricot; amber; a clownfish
grey: an elephant; ash; lead; a mouse; a rhino; slate; concrete; a dolphin
pink: a flamingo; a piglet; salmon; bubblegum; a rosebud
purple: lavender; a plum; an aubergine; a violet; amethyst
""")

ANIMAL_YOUNG = pairs("""
cat kitten; dog puppy; cow calf; horse foal; sheep lamb; goat kid; pig piglet; hen chick; duck
duckling;
bear cub; lion cub; wolf cub; deer fawn; frog tadpole; swan cygnet; kangaroo joey; elephant calf;
whale calf; tiger cub; fox cub; eagle chick; zebra foal; koala joey
""")

OPPOSITE = pairs("""
hot cold; cold hot; big small; small big; old young; young old; fast slow; slow fast; light dark;
dark light; happy sad; sad happy; rich poor; poor rich; hard soft; soft hard; early late; late
early;
open closed; closed open; strong weak; weak strong; high low; low high; wet dry; dry wet;
full empty; empty full; loud quiet; quiet loud; clean dirty; dirty clean; near far; far near;
up down; down up; left right; right left; long short; short long; thick thin; thin thick
""")

NEXT = pairs("""
Monday Tuesday; Tuesday Wednesday; Wednesday Thursday; Thursday Friday; Friday Saturday;
Saturday Sunday; Sunday Monday; January February; February March; March April; April May; May June;
June July; July August; August September; September October; October November; November December;
December January; one two; two three; three four; four five; five six; six seven; seven eight;
eight nine; nine ten; spring summer; summer autumn; autumn winter; winter spring;
first second; second third; third fourth; fourth fifth
""")
