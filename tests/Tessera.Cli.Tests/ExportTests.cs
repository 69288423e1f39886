namespace Tessera.Cli.Tests;

public sealed class ExportTests(TinyModel files)
{
    private int[] Ids => [.. Enumerable.Range(0, 40).Select(i => i * 53 % files.Tokenizer.VocabularySize)];

    [Fact]
    public void A_mixed_model_as_plain_llama_computes_the_same_logits()
    {
        string folder = files.At("as-llama");
        var json = CliRun.Good("export", files.Mixed, "--format", "llama", "--out", folder, "--json").Json();

        Assert.Equal("Llama", json.GetProperty("form").GetString());
        Assert.Contains("LlamaForCausalLM", File.ReadAllText(Path.Combine(folder, "config.json")));
        Assert.True(File.Exists(Path.Combine(folder, "tokenizer.json")));
        AssertSameLogits(files.Mixed, folder, 1e-5f);
        Assert.True(CliRun.Good("inspect", folder, "--json").Json().GetProperty("weights").GetProperty("fits").GetBoolean());
    }

    [Fact]
    public void The_hf_form_keeps_every_layer_and_every_bit()
    {
        foreach (string model in new[] { files.Plain, files.Mixed, files.WithLinear })
        {
            string folder = model + "-hf";
            CliRun.Good("export", model, "--out", folder);

            AssertSameLogits(model, folder, 0);
        }

        Assert.Contains("LlamaForCausalLM", File.ReadAllText(Path.Combine(files.Plain + "-hf", "config.json")));
        Assert.Contains("DeciLMForCausalLM", File.ReadAllText(Path.Combine(files.Mixed + "-hf", "config.json")));
    }

    [Fact]
    public void Half_the_bytes_hold_nearly_the_same_model()
    {
        string folder = files.At("halves");
        var json = CliRun.Good("export", files.Mixed, "--out", folder, "--dtype", "bf16", "--json").Json();

        Assert.Equal("bf16", json.GetProperty("dtype").GetString());
        long bytes = new FileInfo(Path.Combine(folder, "model.safetensors")).Length;
        Assert.InRange(bytes, 2 * json.GetProperty("parameters").GetInt64(), (2 * json.GetProperty("parameters").GetInt64()) + 8192);
        AssertSameLogits(files.Mixed, folder, 0.02f);
    }

    [Fact]
    public void A_linear_layer_cannot_be_a_plain_llama_and_nothing_is_written()
    {
        string folder = files.At("impossible");

        CliRun.Refused(["export", files.WithLinear, "--format", "llama", "--out", folder], "layer 1", "attention");

        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public void A_model_that_is_there_and_unknown_forms_are_refused()
    {
        CliRun.Refused(["export", files.Plain, "--out", files.Mixed], "--out", files.Mixed);
        CliRun.Refused(["export", files.Plain, "--out", files.At("x"), "--format", "onnx"], "onnx");
        CliRun.Refused(["export", files.At("nowhere"), "--out", files.At("x")], "nowhere");
    }

    private void AssertSameLogits(string first, string second, float tolerance)
    {
        float[][] expected = Logits.Of(files, first, Ids), actual = Logits.Of(files, second, Ids);
        Assert.InRange(expected.Max(row => row.Max()), 0.01f, 10f);
        for (int i = 0; i < expected.Length; i++)
        {
            for (int v = 0; v < expected[i].Length; v++)
            {
                Assert.InRange(actual[i][v] - expected[i][v], -tolerance, tolerance);
            }
        }
    }
}
