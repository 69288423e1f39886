using System.Text.Json;
using Tessera.Models.Tokenizers;
using Tessera.TestSupport;

namespace Tessera.Models.Tests.Tokenizers;

/// <summary>Ids and texts that the reference libraries gave for published vocabularies.</summary>
public class PublishedVectorTests
{
    // llama2.c and SentencePiece read a literal U+2581 differently, which string 204 shows.
    [Theory]
    [InlineData("llama3_1", "llama3_1")]
    [InlineData("llama3_1", "tokenizers/llama3/tokenizer.model")]
    [InlineData("qwen3", "qwen3")]
    [InlineData("mistral_v1", "mistral_v1")]
    [InlineData("deepseek_v3", "deepseek_v3")]
    [InlineData("gpt2", "gpt2")]
    [InlineData("gpt2", "tokenizers/gpt2/vocab.json.gz")]
    [InlineData("gpt2", "tokenizers/gpt2/merges.txt.gz")]
    [InlineData("llama2_spm", "tokenizers/llama2/tokenizer.model")]
    [InlineData("llama2c_tokenizer32k", "tokenizers/llama2/tokenizer.model", "204")]
    [InlineData("llama2c_tokenizer32k", "tokenizers/llama2/tokenizer.bin")]
    [InlineData("stories260K", "models/stories260K/tok512.bin")]
    [InlineData("tinystories-656k", "tinystories-656k")]
    public void Every_vector_of_the_reference_library_is_met(string name, string file, string? exception = null)
    {
        Tokenizer tokenizer = PublishedTokenizers.Get(file);
        string path = name switch
        {
            "tinystories-656k" => SharedData.Require("models", name, "tokenizer_vectors.jsonl"),
            "stories260K" => SharedData.Require("models", name, "tok512_vectors.jsonl"),
            _ => SharedData.Require("tokenizers", "vectors", name + ".jsonl"),
        };
        var failures = new List<string>();
        int rows = 0;
        foreach (string line in File.ReadLines(path))
        {
            using var row = JsonDocument.Parse(line);
            rows++;
            string id = row.RootElement.GetProperty("id").GetString()!, text = row.RootElement.GetProperty("text").GetString()!;
            int[] ids = Ids(row.RootElement.GetProperty("ids"));
            if (id == exception)
            {
                Assert.NotEqual(ids, tokenizer.Encode(text, addSpecialTokens: false));
                continue;
            }

            string decoded = TextOr(row.RootElement, "decoded", text);
            Check(failures, $"{id} ids", Show(ids), Show(tokenizer.Encode(text, addSpecialTokens: false)));
            Check(failures, $"{id} with special", Show(Ids(row.RootElement.GetProperty("ids_with_special"))), Show(tokenizer.Encode(text, true)));
            Check(failures, $"{id} decoded", decoded, tokenizer.Decode(ids, skipSpecialTokens: false));
            Check(
                failures, $"{id} without special", TextOr(row.RootElement, "decoded_skip_special", decoded), tokenizer.Decode(ids, true));
            Check(failures, $"{id} streamed", decoded, Stream(tokenizer, ids));
            int[] special = Ids(row.RootElement.GetProperty("ids_with_special"));
            foreach (bool skip in (bool[])[false, true])
            {
                Check(failures, $"{id} streamed with special", tokenizer.Decode(special, skip), Stream(tokenizer, special, skip));
            }
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures));
        Assert.True(rows >= 117, $"{rows} rows");
    }

    [Theory]
    [InlineData("llama-bpe", "llama3_1")]
    [InlineData("gpt-2", "gpt2")]
    [InlineData("qwen2", "qwen3")]
    [InlineData("llama-bpe", "tokenizers/llama3/tokenizer.model")]
    [InlineData("gpt-2", "tokenizers/gpt2/vocab.json.gz")]
    [InlineData("llama-spm", "tokenizers/llama2/tokenizer.model")]
    [InlineData("llama-spm", "tokenizers/llama2/tokenizer.bin")]
    public void Llama_cpp_gives_the_same_ids(string theirs, string ours)
    {
        Tokenizer tokenizer = PublishedTokenizers.Get(ours);
        using var document = JsonDocument.Parse(File.ReadAllBytes(SharedData.Require("tokenizers", "vectors", "upstream_llamacpp.json")));
        JsonElement set = document.RootElement.EnumerateArray().Single(entry => entry.GetProperty("tokenizer").GetString() == theirs);
        Assert.NotEqual(0, set.GetProperty("cases").GetArrayLength());
        Assert.All(set.GetProperty("cases").EnumerateArray(), item =>
        {
            string text = item.GetProperty("text").GetString()!;
            Assert.Equal(Ids(item.GetProperty("ids")), tokenizer.Encode(text, set.GetProperty("add_special").GetBoolean()));
        });
    }

    [Theory]
    [InlineData("Xenova/llama3-tokenizer-new", "llama3_1")]
    [InlineData("Xenova/gpt2", "gpt2")]
    [InlineData("Xenova/Qwen1.5-0.5B-Chat", "qwen3")]
    [InlineData("Xenova/llama3-tokenizer-new", "tokenizers/llama3/tokenizer.model")]
    [InlineData("Xenova/llama-tokenizer", "tokenizers/llama2/tokenizer.model")]
    public void Transformers_js_gives_the_same_ids_and_texts(string theirs, string ours)
    {
        Tokenizer tokenizer = PublishedTokenizers.Get(ours);
        string path = SharedData.Require("tokenizers", "vectors", "upstream_transformers_js.json");
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        Assert.All(document.RootElement.GetProperty(theirs).EnumerateObject(), item =>
        {
            int[] ids = Ids(item.Value.GetProperty("ids"));
            Assert.Equal(ids, tokenizer.Encode(item.Value.GetProperty("text").GetString()!, addSpecialTokens: true));
            string decoded = tokenizer.Decode(ids, skipSpecialTokens: false);
            Assert.Contains(item.Value.GetProperty("decoded").GetString(), (string[])[decoded, WithoutSpaceBeforePunctuation(decoded)]);
        });
    }

    [Theory]
    [InlineData("tokenizers/llama2/tokenizer.model")]
    [InlineData("tokenizers/llama2/tokenizer.bin")]
    public void Llama2_c_gives_the_same_ids(string file)
    {
        Tokenizer tokenizer = PublishedTokenizers.Get(file);
        using var document = JsonDocument.Parse(File.ReadAllBytes(SharedData.Require("tokenizers", "vectors", "upstream_llama2c.json")));
        Assert.NotEqual(0, document.RootElement.GetProperty("cases").GetArrayLength());
        Assert.All(document.RootElement.GetProperty("cases").EnumerateArray(), item =>
            Assert.Equal(Ids(item.GetProperty("ids")), tokenizer.Encode(item.GetProperty("text").GetString()!, addSpecialTokens: true)));
    }

    [Fact]
    public void Llama_3s_ranks_and_its_json_are_one_vocabulary()
    {
        Tokenizer ranks = PublishedTokenizers.Get("tokenizers/llama3/tokenizer.model"), json = PublishedTokenizers.Get("llama3_1");
        Assert.Equal(json.VocabularySize, ranks.VocabularySize);
        Assert.Equal(json.SpecialIds.Order(), ranks.SpecialIds.Order());
        Assert.All(Enumerable.Range(0, json.VocabularySize), id => Assert.Equal(json.TokenText(id), ranks.TokenText(id)));
    }

    [Theory]
    [InlineData("llama3_1")]
    [InlineData("tokenizers/llama3/tokenizer.model")]
    public void Meta_gives_the_same_ids_for_texts_and_dialogues(string file)
    {
        Tokenizer tokenizer = PublishedTokenizers.Get(file);
        using var document = JsonDocument.Parse(File.ReadAllBytes(SharedData.Require("tokenizers", "vectors", "upstream_meta_llama3.json")));
        foreach (JsonElement item in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            int[] ids = Ids(item.GetProperty("ids"));
            switch (item.GetProperty("kind").GetString())
            {
                case "encode":
                    int end = tokenizer.TokenId("<|end_of_text|>")!.Value;
                    Assert.Equal(ids, tokenizer.Encode(item.GetProperty("text").GetString()!, addSpecialTokens: true).Append(end));
                    break;
                case "decode":
                    Assert.Equal(item.GetProperty("text").GetString(), tokenizer.Decode(ids, skipSpecialTokens: false));
                    break;
                case "encode_message":
                    Assert.Equal(ids, tokenizer.Encode(Message(item), addSpecialTokens: false));
                    break;
                default:
                    string dialogue = string.Concat(item.GetProperty("messages").EnumerateArray().Select(Message));
                    Assert.Equal(ids, tokenizer.Encode(dialogue + "<|start_header_id|>assistant<|end_header_id|>\n\n", addSpecialTokens: true));
                    break;
            }
        }
    }

    internal static string Stream(Tokenizer tokenizer, ReadOnlySpan<int> ids, bool skipSpecialTokens = false)
    {
        var decoder = new StreamingDecoder(tokenizer, skipSpecialTokens);
        string text = "";
        foreach (int id in ids)
        {
            text += decoder.Append(id);
        }

        return text + decoder.Flush();
    }

    // transformers.js still applies clean_up_tokenization_spaces to these vocabularies; the library in Rust and this one never do.
    private static string WithoutSpaceBeforePunctuation(string text) => text
        .Replace(" .", ".", StringComparison.Ordinal).Replace(" ?", "?", StringComparison.Ordinal)
        .Replace(" !", "!", StringComparison.Ordinal).Replace(" ,", ",", StringComparison.Ordinal);

    private static string Message(JsonElement message) =>
        $"<|start_header_id|>{message.GetProperty("role").GetString()}<|end_header_id|>\n\n{message.GetProperty("content").GetString()}<|eot_id|>";

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(id => id.GetInt32())];

    private static string Show(int[] ids) => string.Join(',', ids);

    private static string TextOr(JsonElement row, string name, string otherwise) =>
        row.TryGetProperty(name, out JsonElement value) ? value.GetString()! : otherwise;

    private static void Check(List<string> failures, string what, string expected, string actual)
    {
        if (expected != actual)
        {
            failures.Add($"{what}: expected {expected}\n   found {actual}");
        }
    }
}
