using System.Text;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Tests.Tokenizers;

public class HostileTokenizerTests
{
    private static readonly string Sound = new TokenizerJson().ToString();

    public static TheoryData<string, string> BadModels => new()
    {
        { """{"type": "WordPiece", "vocab": {}}""", "model.type is 'WordPiece'" },
        { """{"type": "BPE", "merges": []}""", "model has no field 'vocab'" },
        { """{"type": "BPE", "vocab": {"a": 0}}""", "model has no field 'merges'" },
        { """{"type": "BPE", "vocab": ["a"], "merges": []}""", "model.vocab is not an object" },
        { """{"type": "BPE", "vocab": {"a": "0"}, "merges": []}""", "model.vocab gives 'a' the id \"0\"" },
        { """{"type": "BPE", "vocab": {"a": -1}, "merges": []}""", "model.vocab gives 'a' the id -1" },
        { """{"type": "BPE", "vocab": {"a": 4294967295}, "merges": []}""", "model.vocab gives 'a' the id 4294967295" },
        { """{"type": "BPE", "vocab": {"a": 1.5}, "merges": []}""", "model.vocab gives 'a' the id 1.5" },
        { """{"type": "BPE", "vocab": {"a": 3, "b": 3}, "merges": []}""", "model.vocab gives the id 3 to 'b' and to another token" },
        { """{"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}""", "model.merges[0] needs the token 'ab'" },
        { """{"type": "BPE", "vocab": {"a": 0, "ab": 1}, "merges": [["a", "b"]]}""", "model.merges[0] needs the token 'b'" },
        { """{"type": "BPE", "vocab": {"a": 0, "aa": 1}, "merges": ["a a", "aa"]}""", "model.merges[1] is 'aa', not two tokens" },
        { """{"type": "BPE", "vocab": {"a": 0, "aa": 1}, "merges": ["a a a"]}""", "model.merges[0] is 'a a a', not two tokens" },
        { """{"type": "BPE", "vocab": {"a": 0}, "merges": [["a"]]}""", "model.merges[0] is neither a string nor a pair" },
        { """{"type": "BPE", "vocab": {"a": 0}, "merges": [7]}""", "model.merges[0] is neither a string nor a pair" },
        { """{"type": "BPE", "vocab": {"a": 0}, "merges": {}}""", "model.merges is not an array" },
        { """{"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "u"}""", "model.unk_token 'u' is not in model.vocab" },
        { """{"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.1}""", "model.dropout is not 0" },
        { """{"type": "BPE", "vocab": {"a": 0}, "merges": [], "end_of_word_suffix": "w"}""", "model.end_of_word_suffix is not empty" },
        { """{"type": "BPE", "vocab": {"a": 0}, "merges": [], "ignore_merges": 1}""", "model.ignore_merges is not true or false" },
        { """{"type": "BPE", "vocab": {"\ud800": 0}, "merges": []}""", "not valid Unicode" },
        { """{"type": "BPE", "vocab": {"a": 0}, "merges": ["a \udc00"]}""", "not valid Unicode" },
        { "[]", "model is not an object but an array" },
        { "null", "the document has no field 'model'" },
    };

    public static TheoryData<string, string, string> BadComponents => new()
    {
        { "Normalizer", """{"type": "Lowercase"}""", "normalizer has the type 'Lowercase', which is not supported" },
        { "Normalizer", """{"type": "Replace", "pattern": {"Regex": " +"}, "content": " "}""", "normalizer.pattern.Regex ' +'" },
        { "Normalizer", """{"type": "Replace", "pattern": {"String": ""}, "content": " "}""", "normalizer.pattern.String is empty" },
        { "Normalizer", """{"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": 3}]}""", "normalizer.normalizers[1].type is not a string" },
        { "Normalizer", """{"normalizers": []}""", "normalizer has no field 'type'" },
        { "PreTokenizer", """{"type": "Whitespace"}""", "pre_tokenizer has the type 'Whitespace'" },
        { "PreTokenizer", """{"type": "Split", "pattern": {"Regex": "\\d+"}, "behavior": "Isolated"}""", "pre_tokenizer.pattern.Regex '\\d+' is not one of" },
        { "PreTokenizer", """{"type": "Split", "pattern": {"Regex": "\\p{N}"}, "behavior": "Removed"}""", "pre_tokenizer.behavior 'Removed'" },
        { "PreTokenizer", """{"type": "Metaspace", "replacement": "__"}""", "pre_tokenizer.replacement is not one character" },
        { "PreTokenizer", """{"type": "Metaspace", "replacement": "_", "prepend_scheme": "x"}""", "pre_tokenizer.prepend_scheme is 'x'" },
        {
            "PreTokenizer",
            """{"type": "Sequence", "pretokenizers": [{"type": "ByteLevel", "add_prefix_space": false}, {"type": "Digits"}]}""",
            "pre_tokenizer.pretokenizers[1] of type 'Digits' stands behind a ByteLevel"
        },
        { "PostProcessor", """{"type": "RobertaProcessing"}""", "post_processor has the type 'RobertaProcessing'" },
        { "PostProcessor", """{"type": "TemplateProcessing", "single": [], "special_tokens": {}}""", "post_processor.single has no sequence A" },
        {
            "PostProcessor",
            """{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "s"}}], "special_tokens": {"s": {"ids": [9]}}}""",
            "post_processor.special_tokens.s.ids[0] is 9"
        },
        {
            "PostProcessor",
            """{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "s"}}], "special_tokens": {}}""",
            "post_processor.special_tokens has no field 's'"
        },
        { "Decoder", """{"type": "CTC"}""", "decoder has the type 'CTC'" },
        { "Decoder", """{"type": "Strip", "content": " ", "start": -1, "stop": 0}""", "decoder.start is -1" },
        { "AddedTokens", """[{"content": "x"}]""", "added_tokens[0] has no field 'id'" },
        { "AddedTokens", """[{"id": 3, "content": "x"}, {"id": 3, "content": "y"}]""", "added_tokens[1] has the id 3, which 'x' has too" },
        { "AddedTokens", """[{"id": 3, "content": "x"}, {"id": 3, "content": "x", "special": true}]""", "added_tokens[1] repeats the token 'x'" },
        { "AddedTokens", """[{"id": 99999999999, "content": "x"}]""", "added_tokens[0].id is 99999999999" },
        { "AddedTokens", """{}""", "added_tokens is not an array" },
    };

    [Theory]
    [MemberData(nameof(BadModels))]
    public void A_bad_model_is_refused_by_file_and_field(string model, string problem) =>
        AssertRefused(new TokenizerJson { Model = model }.ToString(), problem);

    [Theory]
    [MemberData(nameof(BadComponents))]
    public void A_bad_component_is_refused_by_file_and_field(string where, string component, string problem)
    {
        var file = new TokenizerJson();
        file = where switch
        {
            "Normalizer" => file with { Normalizer = component },
            "PreTokenizer" => file with { PreTokenizer = component },
            "PostProcessor" => file with { PostProcessor = component },
            "Decoder" => file with { Decoder = component },
            _ => file with { AddedTokens = component },
        };
        AssertRefused(file.ToString(), problem);
    }

    [Theory]
    [InlineData("", "not valid JSON")]
    [InlineData("\"text\"", "the document is not an object")]
    [InlineData("{\"version\": \"2.0\"}", "version is '2.0'")]
    [InlineData("{\"version\": \"1.0\", \"version\": \"1.0\"}", "not valid JSON")]
    [InlineData("{\"\\ud800\": 1, \"version\": \"1.0\"}", "not valid")]
    public void A_file_that_is_no_tokenizer_is_refused(string content, string problem) => AssertRefused(content, problem);

    [Fact]
    public void A_file_cut_anywhere_is_refused()
    {
        for (int length = 0; length < Sound.TrimEnd().Length; length++)
        {
            AssertRefused(Sound[..length], "");
        }
    }

    [Fact]
    public void Bytes_that_are_no_text_are_refused()
    {
        byte[] bytes = Encoding.UTF8.GetBytes(Sound);
        bytes[Sound.IndexOf("\"ab\"", StringComparison.Ordinal) + 1] = 0xFF;
        AssertRefused(bytes, "");
    }

    [Fact]
    public void Nesting_without_end_is_refused()
    {
        const int Depth = 100_000;
        string open = string.Concat(Enumerable.Repeat("""{"type": "Sequence", "normalizers": [""", Depth));
        string close = string.Concat(Enumerable.Repeat("]}", Depth));
        AssertRefused(new TokenizerJson { Normalizer = open + close }.ToString(), "levels");
    }

    [Fact]
    public void A_normaliser_that_makes_texts_explode_is_stopped()
    {
        string doubling = """{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}""";
        Tokenizer tokenizer = new TokenizerJson
        {
            Normalizer = $$"""{"type": "Sequence", "normalizers": [{{string.Join(',', Enumerable.Repeat(doubling, 60))}}]}""",
        }.Load();
        var problem = Assert.Throws<InvalidDataException>(() => tokenizer.Encode(new string('a', 1000), addSpecialTokens: false));
        Assert.Contains("normalizer", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_sound_file_loads_from_a_file_and_from_its_folder_with_or_without_byte_order_mark()
    {
        using var folder = new ScratchFolder();
        string path = folder.Write("tokenizer.json", [0xEF, 0xBB, 0xBF, .. Encoding.UTF8.GetBytes(Sound)]);
        Assert.Equal([2, 0], Tokenizer.Load(path).Encode("aba", addSpecialTokens: false));
        Assert.Equal([2, 0], Tokenizer.Load(folder.Path).Encode("aba", addSpecialTokens: false));
    }

    private static void AssertRefused(string content, string problem) => AssertRefused(Encoding.UTF8.GetBytes(content), problem);

    private static void AssertRefused(byte[] content, string problem)
    {
        using var folder = new ScratchFolder();
        string path = folder.Write("tokenizer.json", content);
        var thrown = Assert.Throws<InvalidDataException>(() => Tokenizer.Load(path));
        Assert.StartsWith(path + ": ", thrown.Message, StringComparison.Ordinal);
        Assert.Contains(problem, thrown.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", thrown.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("\n", thrown.Message, StringComparison.Ordinal);
    }
}
