using System.Text.Json;

namespace Tessera.Cli.Tests;

public sealed class TokenizeTests(TinyModel files)
{
    [Fact]
    public void Strings_become_the_tokenizers_ids_and_come_back()
    {
        string[] texts = ["Q:47+85\nA:", "", "ä \U0001F600 \" \\ \u2028", "<s>47</s>", new string('9', 200_000)];
        string input = files.Write("strings.jsonl", string.Concat(texts.Select(text => JsonSerializer.Serialize(text) + "\n")));
        string ids = files.At("ids.jsonl"), back = files.At("back.jsonl");

        CliRun.Good("tokenize", files.At("tokenizer"), "--input", input, "--output", ids);
        CliRun.Good("tokenize", Path.Combine(files.At("tokenizer"), "tokenizer.json"), "--input", ids, "--output", back, "--decode");

        Assert.Equal(
            texts.Select(text => files.Tokenizer.Encode(text, addSpecialTokens: false)),
            File.ReadLines(ids).Select(line => JsonSerializer.Deserialize<int[]>(line)!));
        Assert.Equal(texts, File.ReadAllText(back).TrimEnd('\n').Split('\n').Select(line => JsonSerializer.Deserialize<string>(line)!));
    }

    [Fact]
    public void Real_vectors_give_the_reference_ids_with_and_without_special_tokens()
    {
        string folder = TestSupport.SharedData.Require("models", "tinystories-656k");
        var vectors = File.ReadLines(Path.Combine(folder, "tokenizer_vectors.jsonl"))
            .Select(line => JsonDocument.Parse(line).RootElement).Where(vector => !vector.GetProperty("text").GetString()!.Contains("<|", StringComparison.Ordinal)).ToList();
        string input = files.Write("real.jsonl", string.Concat(vectors.Select(vector => vector.GetProperty("text").GetRawText() + "\n")));
        string output = files.At("real-ids.jsonl");
        foreach (var (field, more) in new[] { ("ids", Array.Empty<string>()), ("ids_with_special", ["--add-special"]) })
        {
            CliRun.Good(["tokenize", folder, "--input", input, "--output", output, .. more]);

            Assert.Equal(
                vectors.Select(vector => JsonSerializer.Serialize(vector.GetProperty(field))),
                File.ReadLines(output));
        }
    }

    [Theory]
    [InlineData("\"a\"\n{\n", "line 2", "JSON")]
    [InlineData("\"a\"\n\n\"b\"\n", "line 2", "JSON")]
    [InlineData("\"a\"\n\"b\"\n7\n", "line 3", "string")]
    [InlineData("\"\\ud800\"\n", "line 1", "Unicode")]
    public void A_bad_line_is_named_and_the_old_output_stays(string content, string line, string what)
    {
        string input = files.Write("bad.jsonl", content);
        string output = files.Write("kept.jsonl", "old");

        CliRun.Refused(["tokenize", files.At("tokenizer"), "--input", input, "--output", output], input, line, what);

        Assert.Equal("old", File.ReadAllText(output));
        Assert.Empty(Directory.GetFiles(files.Root, "*.tmp"));
    }

    [Theory]
    [InlineData("[1]\n\"text\"\n", "line 2")]
    [InlineData("[1, -1]\n", "line 1, element 1")]
    [InlineData("[1.5]\n", "line 1, element 0")]
    [InlineData("[1000000]\n", "line 1, element 0")]
    public void Ids_that_are_none_are_named(string content, string where)
    {
        string input = files.Write("bad-ids.jsonl", content);

        CliRun.Refused(["tokenize", files.At("tokenizer"), "--input", input, "--output", files.At("out.jsonl"), "--decode"], input, where);
    }

    [Fact]
    public void Missing_files_and_options_without_meaning_are_refused()
    {
        string input = files.Write("one.jsonl", "\"a\"");
        CliRun.Refused(["tokenize", files.At("none"), "--input", input, "--output", files.At("o")], "none");
        CliRun.Refused(["tokenize", files.At("tokenizer"), "--input", files.At("none.jsonl"), "--output", files.At("o")], "none.jsonl");
        CliRun.Refused(["tokenize", files.At("tokenizer"), "--input", input, "--output", files.At("o"), "--decode", "--add-special"], "--add-special");
    }
}
