using System.Text.Json;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Models.Gguf;
using Tessera.Models.Tokenizers;
using Tessera.TestSupport;

namespace Tessera.Models.Tests.Gguf;

public sealed class GgufTokenizerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void The_real_vocabulary_gives_the_ids_of_sentencepiece()
    {
        string path = SharedData.Require("tokenizers", "llama_spm_gguf", "ggml-vocab-llama-spm.gguf");
        Tokenizer tokenizer = ModelFolder.LoadTokenizer(path)!;
        Assert.Equal(32_000, tokenizer.VocabularySize);
        Assert.Equal([1], tokenizer.PrefixIds);
        Assert.Equal([0, 1, 2], tokenizer.SpecialIds.Order());
        Assert.Equal(117, CompareVectors(tokenizer, "llama2_spm"));
    }

    /// <summary>Through a file and back: the vectors, and a folder made of the file.</summary>
    [Theory]
    [InlineData("llama3_1", "tokenizer.json.gz", "llama3_1", "llama-bpe")]
    [InlineData("qwen3", "tokenizer.json.gz", "qwen3", "qwen2")]
    [InlineData("gpt2", "tokenizer.json.gz", "gpt2", "gpt-2")]
    [InlineData("deepseek_v3", "tokenizer.json.gz", "deepseek_v3", "deepseek-v3")]
    [InlineData("llama2", "tokenizer.model", "llama2_spm", "default")]
    [InlineData("mistral_v1", "tokenizer.json.gz", "mistral_v1", "default")]
    public void Published_vocabularies_come_back_with_all_their_vectors(string name, string file, string vectors, string pre)
    {
        string source = SharedData.Require("tokenizers", name, file), folder = Path.GetDirectoryName(source)!;
        Tokenizer before = Tokenizer.Load(source);
        string path = Write(folder, before.VocabularySize + 5);
        using (var written = GgufFile.Open(path))
        {
            Assert.Equal(pre, written.Metadata["tokenizer.ggml.pre"].Text());
            Assert.Equal(before.VocabularySize + 5, written.Metadata["tokenizer.ggml.tokens"].Count);
        }

        Tokenizer after = ModelFolder.LoadTokenizer(path)!;
        bool parses = name != "llama2";
        Assert.Equal(117, CompareVectors(after, vectors, parses));
        string again = Directory.CreateDirectory(_folder.File("folder")).FullName;
        ModelFolder.CopyCompanions(path, again);
        Assert.Equal(117, CompareVectors(ModelFolder.LoadTokenizer(again)!, vectors, parses));
    }

    [Fact]
    public void A_tokenizer_without_a_name_in_the_form_is_left_out_with_a_note()
    {
        // Words end at marks, and nothing falls back to bytes.
        string folder = SharedData.Require("models", "tinystories-656k");
        var notes = new List<string>();
        Assert.Null(GgufVocabularyWriter.For(folder, ModelFolder.ReadConfiguration(folder), notes));
        Assert.Contains("no name", Assert.Single(notes), StringComparison.Ordinal);
    }

    public static TheoryData<string, string> Broken() => new()
    {
        { "model", "tokenizer.ggml.model" },
        { "pre", "tokenizer.ggml.pre" },
        { "types", "tokenizer.ggml.token_type" },
        { "bos", "tokenizer.ggml.bos_token_id" },
        { "merges", "tokenizer.ggml" },
        { "no merges", "tokenizer.ggml.merges" },
        { "repeated", "tokenizer.ggml" },
        { "scores", "tokenizer.ggml.scores" },
    };

    [Theory]
    [MemberData(nameof(Broken))]
    public void A_broken_vocabulary_is_one_sentence_that_names_the_key(string what, string key)
    {
        var metadata = new GgufMetadata();
        metadata.Add("tokenizer.ggml.model", what switch { "model" => "bert", "scores" => "llama", _ => "gpt2" });
        metadata.Add("tokenizer.ggml.pre", what == "pre" ? "tekken" : "gpt-2");
        metadata.Add("tokenizer.ggml.tokens", ["a", "b", what == "repeated" ? "a" : "ab", "<s>"]);
        metadata.Add("tokenizer.ggml.token_type", (int[])(what == "types" ? [1, 1, 1] : [1, 1, 1, 3]));
        metadata.Add("tokenizer.ggml.bos_token_id", what == "bos" ? 4 : 3);
        if (what == "scores")
        {
            metadata.Add("tokenizer.ggml.scores", [1f, float.NaN, 0, 0]);
        }
        else if (what != "no merges")
        {
            metadata.Add("tokenizer.ggml.merges", [what == "merges" ? "a c" : "a b"]);
        }

        string path = _folder.File("vocabulary.gguf");
        GgufWriter.Write(path, metadata, []);
        var error = Assert.Throws<InvalidDataException>(() => ModelFolder.LoadTokenizer(path));
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(key, error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private string Write(string folder, int rows)
    {
        var notes = new List<string>();
        ModelConfiguration shape = SmallModel.Configuration([new(SmallModel.NoMixer, SmallModel.NoFeedForward)], vocabulary: rows) with { BosTokenId = 1, EosTokenIds = [2] };
        var vocabulary = GgufVocabularyWriter.For(folder, shape, notes);
        Assert.Empty(notes);
        var metadata = new GgufMetadata();
        vocabulary!(metadata);
        string path = _folder.File("vocabulary.gguf");
        GgufWriter.Write(path, metadata, []);
        return path;
    }

    private static int CompareVectors(Tokenizer tokenizer, string vectors, bool? parses = null)
    {
        int compared = 0;
        foreach (string line in File.ReadLines(SharedData.Require("tokenizers", "vectors", vectors + ".jsonl")))
        {
            using var row = JsonDocument.Parse(line);
            string text = row.RootElement.GetProperty("text").GetString()!;
            int[] ids = [.. row.RootElement.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
            Assert.True(ids.AsSpan().SequenceEqual(tokenizer.Encode(text, addSpecialTokens: false, parses)), $"{vectors}: {JsonSerializer.Serialize(text)}");
            compared++;
        }

        return compared;
    }
}
