using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Tests.Tokenizers;

/// <summary>Probe strings whose ids were taken from the reference library for Llama 3.1 and Qwen 3.</summary>
public class ProbeVectorTests
{
    // Text, ids of Llama 3.1, ids of Qwen 3; no special tokens added.
    private const string Rows = """
        ""  []  []
        " "  [220]  [220]
        "  "  [256]  [256]
        "   "  [262]  [262]
        "\n"  [198]  [198]
        "\n\n"  [271]  [271]
        "\n\n\n"  [1432]  [1406]
        " \n"  [720]  [715]
        "\t"  [197]  [197]
        "\r\n"  [319]  [319]
        "a\r\nb"  [64,319,65]  [64,319,65]
        "  hello"  [220,24748]  [220,23811]
        "hello  "  [15339,256]  [14990,256]
        "hello  world"  [15339,220,1917]  [14990,220,1879]
        "hello   world"  [15339,256,1917]  [14990,256,1879]
        "hello \n world"  [15339,720,1917]  [14990,715,1879]
        "Hello"  [9906]  [9707]
        " Hello"  [22691]  [21927]
        "Hello, world!"  [9906,11,1917,0]  [9707,11,1879,0]
        " Vi\u1ec7t"  [101798]  [128324]
        "Vi\u1ec7t"  [36644,26298,83]  [35544,124382]
        "This is a test sentence."  [2028,374,264,1296,11914,13]  [1986,374,264,1273,11652,13]
        "The quick brown fox jumps over the lazy dog."  [791,4062,14198,39935,35308,927,279,16053,5679,13]  [785,3974,13876,38835,34208,916,279,15678,5562,13]
        "1"  [16]  [16]
        "12"  [717]  [16,17]
        "123"  [4513]  [16,17,18]
        "1234"  [4513,19]  [16,17,18,19]
        "12345"  [4513,1774]  [16,17,18,19,20]
        "1234567890"  [4513,10961,16474,15]  [16,17,18,19,20,21,22,23,24,15]
        "3.14159"  [18,13,9335,2946]  [18,13,16,19,16,20,24]
        "2024-01-15"  [2366,19,12,1721,12,868]  [17,15,17,19,12,15,16,12,16,20]
        "x=1000000;"  [87,28,1041,931,15,26]  [87,28,16,15,15,15,15,15,15,26]
        "don't"  [15357,956]  [15007,944]
        "DON'T"  [85741,17773]  [84641,17323]
        "I'LL"  [40,6,4178]  [40,6,4086]
        "we're"  [906,2351]  [896,2299]
        "'s"  [596]  [594]
        "'S"  [13575]  [13272]
        "don\u2019t"  [15357,1431]  [15007,1405]
        "don'\u017f"  [15357,6,129,123]  [15007,6,144815]
        "it'\u017f"  [275,6,129,123]  [275,6,144815]
        "'RE you"  [95253,499]  [94153,498]
        "\u212aelvin"  [15284,103,301,9799]  [84599,9603]
        "caf\u00e9"  [936,59958]  [924,58858]
        "cafe\u0301"  [936,1897,54939]  [924,58858]
        "na\u00efve"  [3458,38672,588]  [3376,37572,586]
        "\u03a9mega"  [101418,43610]  [144572,42510]
        "\u65e5\u672c\u8a9e\u306e\u30c6\u30b9\u30c8"  [102433,102158,16144,57933,71634]  [101059,102819,15767,140592]
        "\u4f60\u597d,\u4e16\u754c"  [57668,53901,11,102616]  [108386,11,99489]
        "\ud55c\uad6d\uc5b4"  [112699,32179]  [23573,124785,31079]
        "\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440"  [8164,105251,8341,115388]  [124436,26991,8178,137144]
        "\u0645\u0631\u062d\u0628\u0627"  [101244,30925,103645]  [124122,29825,124671]
        "\u0939\u093f\u0928\u094d\u0926\u0940"  [95048,100556,101102,44747]  [93948,42311,101,30484,99,43647]
        "\u0e44\u0e17\u0e22"  [102938]  [125451]
        "\ud83d\ude80"  [9468,248,222]  [145836]
        "\ud83e\udd99\ud83e\udd99"  [9468,99,247,9468,99,247]  [149955,149955]
        "\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67\u200d\ud83d\udc66"  [9468,239,101,102470,9468,239,102,102470,9468,239,100,102470,9468,239,99]  [145367,378,235,145233,378,235,145665,378,235,145988]
        "\ud83c\uddfa\ud83c\uddf8"  [9468,229,118,9468,229,116]  [145526,145383]
        "e\u0301"  [68,54939]  [963]
        "\ud835\udc9c\ud835\udcb7\ud835\udcb8"  [57352,240,250,57352,240,115,57352,240,116]  [147228,151311,149416]
        "\ud835\udfd9\ud835\udfda\ud835\udfdb\ud835\udfdc"  [57352,253,247,57352,253,248,57352,253,249,57352,253,250]  [56252,253,247,56252,253,248,56252,253,249,56252,253,250]
        "\ud842\udfb7\u91ce\u5bb6"  [172,254,106,115,102212,46729]  [150152,99924,45629]
        "\ud800\udf48"  [172,238,235,230]  [126190,230]
        "\u00bd"  [27154]  [26062]
        "\u2167"  [71567,100]  [70467,100]
        "\u0663\u0664\u0665\u0666"  [117413,124079,124043,149,99]  [149,96,149,97,149,98,149,99]
        "x\u00b2"  [87,30556]  [87,29456]
        "a\u00a0b"  [64,115648]  [64,4102,65]
        "a\u3000b"  [64,23249,65]  [64,22441,65]
        "a\u200bb"  [64,16067,65]  [64,15692,65]
        "a\u2028b"  [64,378,101,65]  [64,378,101,65]
        "a\u0085b"  [64,116360,65]  [64,126,227,65]
        "\u001f"  [219]  [219]
        "a\u0000b"  [64,188,65]  [64,188,65]
        "\ufeffhi"  [3305,6151]  [3225,6023]
        "def f(x):\n    return x + 1\n"  [755,282,2120,997,262,471,865,489,220,16,198]  [750,282,2075,982,262,470,856,488,220,16,198]
        "{\"a\": [1, 2]}"  [5018,64,794,510,16,11,220,17,14316]  [4913,64,788,508,16,11,220,17,13989]
        "====----"  [608,381]  [605,381]
        "!!!???"  [12340,34115]  [12069,33015]
        "...\n\n"  [2195]  [2146]
        " ...\n"  [12515]  [12236]
        "a.b.c"  [64,960,522]  [64,948,520]
        "http://example.com/a?b=c&d=1"  [1277,1129,8858,916,14520,30,65,20105,5,67,28,16]  [1254,1110,8687,905,14186,30,65,19535,5,67,28,16]
        "<think>"  [14023,771,29]  [151667]
        "</think>"  [524,27963,29]  [151668]
        "<think>\n\n</think>\n\n"  [14023,771,1363,524,27963,1363]  [151667,271,151668,271]
        "detailed thinking on"  [67,10319,7422,389]  [67,10111,7274,389]
        "detailed thinking off"  [67,10319,7422,1022]  [67,10111,7274,1007]
        "<|begin_of_text|>"  [128000]  [27,91,7265,3575,4326,91,29]
        "<|eot_id|>"  [128009]  [27,91,68,354,842,91,29]
        "a<|eot_id|>b"  [64,128009,65]  [64,27,91,68,354,842,91,29,65]
        " <|eot_id|> "  [220,128009,220]  [82639,68,354,842,91,29,220]
        "<|eot_id"  [27,91,68,354,851]  [27,91,68,354,842]
        "<|start_header_id|>user<|end_header_id|>\n\n"  [128006,882,128007,271]  [27,91,2468,8757,842,91,29,872,27,91,408,8757,842,91,1339]
        "<|im_start|>user\nhi<|im_end|>\n"  [27,91,318,5011,91,29,882,198,6151,27,91,318,6345,91,397]  [151644,872,198,6023,151645,198]
        "<tool_call>"  [27,14506,13735,29]  [151657]
        "<s>"  [45147,29]  [44047,29]
        "\ud83d\ude80abc"  [9468,248,222,13997]  [145836,13683]
        "a\ud83d\ude80b"  [64,9468,248,222,65]  [64,145836,65]
        "foo\ud835\udfd9"  [8134,57352,253,247]  [7975,56252,253,247]
        "don'\u017ftart"  [15357,6,129,123,83,472]  [15007,6,144815,83,471]
        "x\ud835\udc9c"  [87,57352,240,250]  [87,147228]
        " vi\u1ec7c"  [100769]  [128289]
        "ektedir"  [101673]  [1225,6565,404]
        "    if x:\n        y = 1\n\treturn\n"  [262,422,865,512,286,379,284,220,16,198,862,198]  [262,421,856,510,286,379,284,220,16,198,853,198]
        "A\u0300"  [32,97649]  [71953]
        "\ufb01"  [171,71831]  [144300]
        "\u00c5"  [106453]  [144044]
        """;

    private const string Probe =
        "Wide models, narrow layers: 7 of 80!\n\tif (x >= 1024) { y += 3.5e-4; }\r\n\r\n  \u00c9t\u00e9 \u2014 na\u00efve fa\u00e7ade, e\u0301tude; "
        + "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u65e5\u672c\u8a9e\u30c6\u30b9\u30c8 \ud55c\uad6d\uc5b4 "
        + "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u0939\u093f\u0928\u094d\u0926\u0940 Vi\u1ec7t Nam\u3000\u00a0 \ud83d\ude80abc "
        + "\ud835\udfd9\ud835\udfda x\ud835\udc9c \ud842\udfb7 WE'RE I'll don't '\u017ft 12345678 <think>ok</think>\n\n\n   ";

    [Theory]
    [InlineData("llama3_1", 1)]
    [InlineData("qwen3", 2)]
    public void Probes_have_the_reference_librarys_ids(string name, int column)
    {
        Tokenizer tokenizer = PublishedTokenizers.Get(name);
        foreach (string row in Rows.Split('\n'))
        {
            int first = row.IndexOf("  [", StringComparison.Ordinal), second = row.LastIndexOf("  [", StringComparison.Ordinal);
            string text = JsonSerializer.Deserialize<string>(row[..first])!;
            int[] expected = JsonSerializer.Deserialize<int[]>(column == 1 ? row[first..second] : row[second..])!;
            Assert.Equal((text, string.Join(',', expected)), (text, string.Join(',', tokenizer.Encode(text, addSpecialTokens: false))));
        }
    }

    [Theory]
    [InlineData("llama3_1", 107, "152e96aff90d79f8290219036d47b2bcbbd62aa7be550161c0e4d697ad47e1e7")]
    [InlineData("qwen3", 109, "039ae5c378a20625591680eae35d1b78acddc51ae1b39dd6976e9e1eb104d32e")]
    public void The_long_probe_has_the_known_hash(string name, int count, string hash)
    {
        int[] ids = PublishedTokenizers.Get(name).Encode(Probe, addSpecialTokens: false);
        Assert.Equal(count, ids.Length);
        Assert.Equal(hash, Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Join(',', ids)))));
    }

    [Fact]
    public void Llama_decodes_and_streams_unfinished_characters()
    {
        Tokenizer tokenizer = PublishedTokenizers.Get("llama3_1");
        Assert.Equal("\uFFFD", tokenizer.Decode([9468], skipSpecialTokens: false));
        Assert.Equal("\uFFFD", tokenizer.Decode([9468, 248], skipSpecialTokens: false));
        Assert.Equal("🚀", tokenizer.Decode([9468, 248, 222], skipSpecialTokens: false));
        var decoder = new StreamingDecoder(tokenizer, skipSpecialTokens: false);
        Assert.Equal(["", "", "🚀", ""], [decoder.Append(9468), decoder.Append(248), decoder.Append(222), decoder.Flush()]);
        Assert.Equal("<|begin_of_text|>Hello<|eot_id|>", tokenizer.Decode([128000, 9906, 128009], skipSpecialTokens: false));
        Assert.Equal("Hello", tokenizer.Decode([128000, 9906, 128009], skipSpecialTokens: true));
        Assert.Equal("hello  world", tokenizer.Decode([15339, 220, 1917], skipSpecialTokens: true));
        Assert.Equal("': 'search", tokenizer.Decode([1232, 364, 1874], skipSpecialTokens: true));
        Assert.Equal([128000, 128000, 6151], tokenizer.Encode("<|begin_of_text|>hi", addSpecialTokens: true));
        Assert.Equal([128000, 15339, 758], tokenizer.Encode("hello !", addSpecialTokens: true));
        Assert.Equal([27, 91, 68, 354, 851, 91, 29], tokenizer.Encode("<|eot_id|>", addSpecialTokens: false, parseSpecial: false));
    }

    [Theory]
    [InlineData("llama3_1")]
    [InlineData("gpt2")]
    public void Byte_level_vocabularies_give_every_text_back(string name)
    {
        Tokenizer tokenizer = PublishedTokenizers.Get(name);
        var random = new Tessera.Devices.CounterRandom(29);
        for (int i = 0; i < 200; i++)
        {
            string text = RandomText.Next(ref random, random.Next(1, 30), loneSurrogates: true);
            int[] ids = tokenizer.Encode(text, addSpecialTokens: false);
            Assert.Equal(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)), tokenizer.Decode(ids, skipSpecialTokens: false));
        }
    }
}
