using Tessera.Models.Checkpoints;
using Tessera.Models.Tokenizers;

namespace Tessera.Cli.Tests;

public sealed class GgufTests(TinyModel files)
{
    private const string Template = "{% for m in messages %}{{ bos_token }}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";

    private int[] Ids => [.. Enumerable.Range(0, 40).Select(i => i * 53 % files.Tokenizer.VocabularySize)];

    [Theory]
    [InlineData("plain", "gguf llama", null, 0)]
    [InlineData("mixed", "gguf deci", "f32", 0)]
    [InlineData("linear", "gguf deci", "f16", 1e-3f)]
    [InlineData("mixed", "gguf deci", "bf16", 0.02f)]
    [InlineData("linear", "gguf deci", "q8_0", 0.02f)]
    [InlineData("plain", "gguf llama", "q4_0", 0.3f)]
    public void A_model_as_one_file_computes_the_same_logits(string model, string form, string? type, float tolerance)
    {
        string file = files.At($"{model}-{type}.gguf");
        var json = CliRun.Good(["export", files.At(model), "--format", "gguf", "--out", file, "--json", .. type is null ? (string[])[] : ["--dtype", type]]).Json();
        Assert.Equal(form, json.GetProperty("form").GetString());
        Assert.Equal(new FileInfo(file).Length, json.GetProperty("bytes").GetInt64());
        float[][] expected = Logits.Of(files, files.At(model), Ids), actual = Logits.Of(files, file, Ids);
        Assert.InRange(expected.Zip(actual, (a, b) => a.Zip(b, (x, y) => Math.Abs(x - y)).Max()).Max(), 0, tolerance);
        var inspected = CliRun.Good("inspect", file, "--json").Json();
        Assert.True(inspected.GetProperty("weights").GetProperty("fits").GetBoolean());
        Assert.Equal(json.GetProperty("parameters").GetInt64(), inspected.GetProperty("parameters").GetInt64());
    }

    [Fact]
    public void The_file_brings_tokenizer_and_template_along_and_a_folder_made_of_it_too()
    {
        string model = files.PlainWithTemplate("for-gguf", Template), file = files.At("chat.gguf"), back = files.At("from-gguf");
        CliRun.Good("export", model, "--format", "gguf", "--out", file);
        CliRun.Good("export", file, "--out", back);
        string text = files.Write("held-out.txt", "Add 12 and 30.\nThe answer is 42.");
        string messages = files.Write("gguf-messages.json", """[{"role": "user", "content": "2 + 2 = ?"}]""");
        foreach (string[] verb in (string[][])
        [
            ["perplexity", "MODEL", "--text", text],
            ["generate", "MODEL", "--prompt", "Add 3 and 4.", "--max-new-tokens", "12", "--temperature", "0"],
            ["generate", "MODEL", "--messages", messages, "--max-new-tokens", "8", "--temperature", "0"],
            ["template", "MODEL", "--messages", messages, "--ids"],
        ])
        {
            string[] outputs = [.. ((string[])[model, file, back]).Select(path => CliRun.Good([.. verb.Select(part => part == "MODEL" ? path : part)]).Output)];
            Assert.True(outputs[0].Length > 2);
            Assert.Equal(outputs[0], outputs[1]);
            Assert.Equal(outputs[0], outputs[2]);
        }

        Tokenizer first = Tokenizer.Load(model), again = Tokenizer.Load(back);
        Assert.Equal(first.VocabularySize, again.VocabularySize);
        Assert.Equal(first.SpecialIds.Order(), again.SpecialIds.Order());
        foreach (string sample in (string[])["Grüße,  12 345!\n", "<s>x</s>", ""])
        {
            int[] ids = first.Encode(sample, addSpecialTokens: false);
            Assert.Equal(ids, again.Encode(sample, addSpecialTokens: false));

            // The first token comes from config.json here; the file and the folder made of it say so in their tokenizer.
            Assert.Equal([.. BeginTokens.Of(first, ModelFolder.ReadConfiguration(model), model), .. ids], again.Encode(sample, addSpecialTokens: true));
        }
    }

    [Fact]
    public void Bad_names_types_and_files_are_refused()
    {
        CliRun.Refused(["export", files.Plain, "--format", "gguf", "--out", files.At("folder")], "--out", ".gguf");
        CliRun.Refused(["export", files.Plain, "--out", files.At("x.gguf")], "--out", "folder");
        CliRun.Refused(["export", files.Plain, "--out", files.At("x"), "--dtype", "q8_0"], "--dtype q8_0", "f32 or bf16");
        string bad = files.Write("bad.gguf", "GGUF but nothing else");
        foreach (string verb in (string[])["inspect", "template"])
        {
            CliRun.Refused(verb == "inspect" ? [verb, bad] : [verb, bad, "--messages", bad], bad, "version");
        }

        string taken = files.Write("taken.gguf", "something");
        CliRun.Refused(["export", files.Plain, "--format", "gguf", "--out", taken], "taken.gguf");
        Assert.Equal("something", File.ReadAllText(taken));
        CliRun.Refused(["inspect", "hf:not/a/model"], "hf:org/name");
    }
}
