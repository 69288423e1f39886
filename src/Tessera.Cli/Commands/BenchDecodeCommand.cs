using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Devices;
using Tessera.Inference.Measurement;
using Tessera.Kernels.Measurement;
using Tessera.Models;
using Tessera.Puzzle.Costs;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary>
/// <c>bench decode</c>: generated tokens a second beside what reading the weights and the cache alone would allow, by a bare loop and by
/// the serving engine, and prompt tokens a second beside the multiply-adds of the same threads or the products of the same card.
/// </summary>
internal static class BenchDecodeCommand
{
    public static Command Create()
    {
        var model = new Argument<string?>("model")
        {
            Description = "Model folder, .gguf file, hf:org/name or random:CONFIG.json.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var published = BenchCommand.Shape();
        var batch = new Option<string>("--batch") { Description = "Sequences at a time; several numbers, such as 1,64, are measured one after the other.", DefaultValueFactory = _ => "1" };
        var input = new Option<int>("--input-length", "--context") { Description = "Prompt tokens of each.", DefaultValueFactory = _ => 64 };
        var output = new Option<int>("--output-length") { Description = "Generated tokens of each.", DefaultValueFactory = _ => 32 };
        var rounds = new Option<int>("--rounds") { Description = "Runs, each between two measurements of the ceilings.", DefaultValueFactory = _ => 9 };
        var type = SharedOptions.StorageType();
        var deviceName = SharedOptions.Device();
        var threads = SharedOptions.Threads();
        var json = SharedOptions.Json();
        var command = new Command("decode", "Generation and prompts of a model: tokens a second and their share of the ceiling.")
        {
            model, published, batch, input, output, rounds, type, deviceName, threads, json,
        };
        command.SetAction(result =>
        {
            int[] batches = ParseBatches(result.GetValue(batch)!);
            var storage = SharedOptions.ParseDataType(result.GetValue(type)!);
            int inputLength = OptionChecks.AtLeast(result, input, 1), outputLength = OptionChecks.AtLeast(result, output, 1);
            int count = OptionChecks.AtLeast(result, rounds, 1);
            string name = BenchCommand.Model(result, model, published)
                ?? throw new ArgumentException("bench decode: expected a model, or --shape");
            var source = ModelSource.Open(name);
            int most = source.Configuration.MaxPositions;
            foreach (int sequences in batches)
            {
                long positions = (long)inputLength + EngineBench.PositionsBeyond(sequences, inputLength, outputLength);
                if (positions > most)
                {
                    throw new ArgumentException(
                        $"--input-length and --output-length: {positions} positions with those of the first steps, the model takes at most {most}");
                }
            }

            using var device = SharedOptions.OpenServing(result.GetValue(deviceName)!, OptionChecks.Threads(result, threads), storage);
            using var decoder = source.Load(storage, device);
            var rows = new List<BenchResult>();
            foreach (int sequences in batches)
            {
                var scenario = new ServingScenario(
                    sequences, inputLength, outputLength, SharedOptions.CacheType(storage), device.Threads);
                rows.AddRange(Measure(device, decoder, scenario, storage, count));
            }

            if (result.GetValue(json))
            {
                JsonOutput.Print(rows.Select(row => BenchCommand.ToJson(row, device)));
            }
            else
            {
                BenchCommand.Print(rows, device);
                PrintSteps(rows, device);
            }
        });
        return command;
    }

    private static int[] ParseBatches(string text)
    {
        var batches = new List<int>();
        foreach (string part in text.Split(','))
        {
            batches.Add(int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int batch) && batch is >= 1 and <= 4096
                ? batch
                : throw new ArgumentException($"--batch {text}: expected numbers from 1 to 4096 such as 1,64"));
        }

        return [.. batches];
    }

    private static IEnumerable<BenchResult> Measure(Device device, Decoder model, ServingScenario scenario, DType storage, int rounds)
    {
        using var probe = CeilingProbe.Of(device);
        string shape = string.Create(
            CultureInfo.InvariantCulture,
            $"{HumanUnits.FormatCount(model.Configuration.ParameterCount)}, batch {scenario.Batch}, {scenario.InputLength} in / {scenario.OutputLength} out");
        double stepBytes = StepBytes(model, scenario);
        var prefill = new List<(double Rate, double Ceiling)>();
        var decode = new List<(double Rate, double Ceiling)>();
        var loopTimes = new List<ScenarioTime>();
        using (var meter = new ScenarioMeter(device, scenario))
        {
            meter.Measure(model);
            for (int round = 0; round < rounds; round++)
            {
                double read = probe.Rate(BenchCeiling.StreamRead), flops = probe.Rate(BenchCeiling.FusedMultiplyAdd);
                var time = meter.Measure(model);
                read = (read + probe.Rate(BenchCeiling.StreamRead)) / 2;
                flops = (flops + probe.Rate(BenchCeiling.FusedMultiplyAdd)) / 2;
                decode.Add((scenario.Batch / time.DecodeSeconds, scenario.Batch * read / stepBytes));
                prefill.Add((scenario.Batch * scenario.InputLength / time.PrefillSeconds, flops / PromptFlops(model, scenario)));
                loopTimes.Add(time);
            }
        }

        yield return Row("decode", shape, storage, device, decode) with
        {
            Details = Steps(loopTimes.Select(time => time.DecodeSeconds), loopTimes.Select(time => time.DecodeHostSeconds), stepBytes),
        };
        yield return Row("prefill", shape, storage, device, prefill);

        // After the other: two caches may be more than the memory holds.
        var served = new List<(double Rate, double Ceiling)>();
        var engineTimes = new List<EngineTime>();
        using (var engine = new EngineBench(device, model, scenario.Type, scenario.Batch, scenario.InputLength, scenario.OutputLength))
        {
            engine.Measure();
            for (int round = 0; round < rounds; round++)
            {
                double read = probe.Rate(BenchCeiling.StreamRead);
                engineTimes.Add(engine.Measure());
                read = (read + probe.Rate(BenchCeiling.StreamRead)) / 2;
                served.Add((engineTimes[^1].TokensPerSecond, scenario.Batch * read / stepBytes));
            }
        }

        var steps = Steps(engineTimes.Select(time => time.StepSeconds), engineTimes.Select(time => time.HostSeconds), stepBytes);
        steps["step_allocated_bytes"] = KernelBench.Quantile(engineTimes.Select(time => (double)time.AllocatedBytes), 0.5);
        yield return Row("engine", shape, storage, device, served) with { Details = steps };
    }

    private static Dictionary<string, double> Steps(IEnumerable<double> seconds, IEnumerable<double> hostSeconds, double bytes) => new()
    {
        ["step_seconds"] = KernelBench.Quantile(seconds, 0.5),
        ["host_seconds"] = KernelBench.Quantile(hostSeconds, 0.5),
        ["step_bytes"] = bytes,
    };

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

    private static BenchResult Row(string name, string shape, DType storage, Device device, List<(double Rate, double Ceiling)> pairs)
    {
        double[] ratios = [.. pairs.Select(pair => pair.Rate / pair.Ceiling)];
        return new BenchResult(
            name, shape, storage.Label(), device.Threads, KernelBench.Quantile(pairs.Select(pair => pair.Rate), 0.5), "tokens/s",
            KernelBench.Quantile(pairs.Select(pair => pair.Ceiling), 0.5), KernelBench.Quantile(ratios, 0.5), pairs.Count,
            KernelBench.HalfRange(ratios));
    }

    private static void PrintSteps(List<BenchResult> rows, Device device)
    {
        foreach (var row in rows)
        {
            if (row.Details is { } details && details.TryGetValue("step_seconds", out double seconds))
            {
                string host = device.Threads > 0 ? string.Empty : $", of which the host is busy {details["host_seconds"] * 1e6:F0} us";
                Console.WriteLine($"{row.Name} {row.Shape}: a step {seconds * 1e3:F3} ms{host}, reads {HumanUnits.FormatBytes((long)details["step_bytes"])}");
            }
        }
    }
}
