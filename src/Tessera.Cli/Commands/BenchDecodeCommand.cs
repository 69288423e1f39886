using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Devices;
using Tessera.Kernels.Measurement;
using Tessera.Models;
using Tessera.Puzzle.Costs;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary>
/// <c>bench decode</c>: generated tokens a second beside what reading the weights and the cache alone would allow, and prompt tokens a
/// second beside the multiply-adds of the same threads.
/// </summary>
internal static class BenchDecodeCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "Model folder, .gguf file, hf:org/name or random:CONFIG.json." };
        var batch = new Option<int>("--batch") { Description = "Sequences at a time.", DefaultValueFactory = _ => 1 };
        var input = new Option<int>("--input-length") { Description = "Prompt tokens of each.", DefaultValueFactory = _ => 64 };
        var output = new Option<int>("--output-length") { Description = "Generated tokens of each.", DefaultValueFactory = _ => 32 };
        var rounds = new Option<int>("--rounds") { Description = "Runs, each between two measurements of the ceilings.", DefaultValueFactory = _ => 9 };
        var type = SharedOptions.StorageType();
        var threads = SharedOptions.Threads();
        var json = SharedOptions.Json();
        var command = new Command("decode", "Generation and prompts of a model: tokens a second and their share of the ceiling.")
        {
            model, batch, input, output, rounds, type, threads, json,
        };
        command.SetAction(result =>
        {
            using var device = new CpuDevice(OptionChecks.Threads(result, threads));
            var storage = SharedOptions.ParseDataType(result.GetValue(type)!);
            var scenario = new ServingScenario(
                OptionChecks.AtLeast(result, batch, 1), OptionChecks.AtLeast(result, input, 1), OptionChecks.AtLeast(result, output, 1),
                storage == DType.F32 ? DType.F32 : DType.BF16, device.Workers.Count);
            int count = OptionChecks.AtLeast(result, rounds, 1);
            using var decoder = ModelSource.Open(result.GetValue(model)!).Load(storage, device);
            if (scenario.Positions > decoder.Configuration.MaxPositions)
            {
                throw new ArgumentException(
                    $"--input-length and --output-length: {scenario.Positions} positions, the model takes at most {decoder.Configuration.MaxPositions}");
            }

            BenchResult[] rows = [.. Measure(device, decoder, scenario, storage, count)];
            if (result.GetValue(json))
            {
                JsonOutput.Print(rows.Select(row => BenchCommand.ToJson(row, device.Name)));
            }
            else
            {
                BenchCommand.Print([.. rows]);
            }
        });
        return command;
    }

    private static IEnumerable<BenchResult> Measure(CpuDevice device, Decoder model, ServingScenario scenario, DType storage, int rounds)
    {
        using var probe = new CeilingProbe(device);
        using var meter = new ScenarioMeter(device, scenario);
        meter.Measure(model);
        var prefill = new List<(double Rate, double Ceiling)>();
        var decode = new List<(double Rate, double Ceiling)>();
        for (int round = 0; round < rounds; round++)
        {
            double read = probe.Rate(BenchCeiling.StreamRead), flops = probe.Rate(BenchCeiling.FusedMultiplyAdd);
            var time = meter.Measure(model);
            read = (read + probe.Rate(BenchCeiling.StreamRead)) / 2;
            flops = (flops + probe.Rate(BenchCeiling.FusedMultiplyAdd)) / 2;
            decode.Add((scenario.Batch / time.DecodeSeconds, scenario.Batch * read / StepBytes(model, scenario)));
            prefill.Add((scenario.Batch * scenario.InputLength / time.PrefillSeconds, flops / PromptFlops(model, scenario)));
        }

        string shape = string.Create(
            CultureInfo.InvariantCulture,
            $"{HumanUnits.FormatCount(model.Configuration.ParameterCount)}, batch {scenario.Batch}, {scenario.InputLength} in / {scenario.OutputLength} out");
        yield return Row("decode", shape, storage, device.Workers.Count, decode);
        yield return Row("prefill", shape, storage, device.Workers.Count, prefill);
    }

    /// <summary>Bytes that a step must read: every matrix once, and keys and values of the mean context of each sequence.</summary>
    private static double StepBytes(Decoder model, ServingScenario scenario) =>
        model.Multipliers.Sum(weight => (double)weight.Bytes)
        + (scenario.Batch * (scenario.InputLength + (scenario.OutputLength / 2.0)) * model.Configuration.KvBytesPerToken(scenario.Type));

    /// <summary>FLOP of a prompt token: a head for the last one only, attention to half the prompt on average.</summary>
    private static double PromptFlops(Decoder model, ServingScenario scenario)
    {
        double head = 2.0 * model.Configuration.VocabularySize * model.Configuration.HiddenSize;
        return model.Configuration.FlopsPerToken((scenario.InputLength + 1) / 2) - head + (head / scenario.InputLength);
    }

    private static BenchResult Row(string name, string shape, DType storage, int threads, List<(double Rate, double Ceiling)> pairs)
    {
        double[] ratios = [.. pairs.Select(pair => pair.Rate / pair.Ceiling)];
        return new BenchResult(
            name, shape, storage.Label(), threads, KernelBench.Quantile(pairs.Select(pair => pair.Rate), 0.5), "tokens/s",
            KernelBench.Quantile(pairs.Select(pair => pair.Ceiling), 0.5), KernelBench.Quantile(ratios, 0.5), pairs.Count,
            (KernelBench.Quantile(ratios, 0.75) - KernelBench.Quantile(ratios, 0.25)) / 2);
    }
}
